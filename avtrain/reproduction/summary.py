"""The lines that a reproduction prints: published numbers beside ours, the reasons, and how many have which verdict."""

from collections.abc import Iterable, Sequence

from avtrain.reproduction.arithmetic import ArithmeticCheck
from avtrain.reproduction.markdown import Footnotes
from avtrain.reproduction.published_cells import PublishedCell
from avtrain.reproduction.verdict import JudgedNumber, count_line, tally


def summary(name: str, cells: Sequence[PublishedCell], judged: Sequence[JudgedNumber]) -> list[str]:
    """Return the lines to print: numbers that were measured here, numbered reasons, and the count of all cells.

    Args:
        name: of the command.
        cells: of the publication's tables.
        judged: verdicts, those without a measurement too.
    """
    footnotes = Footnotes()
    rows = [
        (*number.labels, number.published, number.measured, number.verdict.word, footnotes.cite(number.verdict))
        for number in judged
        if number.measured
    ]
    header = (*[""] * (len(judged[0].labels) if judged else 0), "published", "ours", "verdict", "why")
    lines = columns([header, *rows]) if rows else []
    return [*lines, *footnotes.lines(), *([""] if rows else []), count_line(name, tally(cells, judged))]


def arithmetic_lines(checks: Iterable[ArithmeticCheck]) -> list[str]:
    """Return statements and their verdicts by arithmetic as lines to print."""
    return [
        "Statements checked against the publication's own numbers:",
        *(f"  {check.word}: {check.says}\n    {check.working}" for check in checks),
    ]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand below one another.

    Args:
        rows: of equal length, the header first.
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
