"""Markdown and JSON that the pages of all reproductions share."""

from collections.abc import Iterable
from typing import Any

from avtrain.report.results import Cell
from avtrain.reproduction.arithmetic import ArithmeticCheck
from avtrain.reproduction.verdict import NOT_COMPARABLE, NOT_RUN, Verdict

UNKNOWN = "not known"


class Footnotes:
    """Reasons, listed once below a table and cited in it by number."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def cite(self, verdict: Verdict) -> str:
        """Return the numbers of a verdict's reasons; for a verdict that rests on numbers, the reasons themselves."""
        if verdict.word not in (NOT_COMPARABLE, NOT_RUN):
            return "; ".join(verdict.why)
        self.reasons += [reason for reason in verdict.why if reason not in self.reasons]
        return ", ".join(map(str, sorted(self.reasons.index(reason) + 1 for reason in verdict.why)))

    def lines(self) -> list[str]:
        """Return the lines of the numbered list, after an empty one; nothing where no reason was cited."""
        if not self.reasons:
            return []
        return ["", *(f"{number}. {reason}" for number, reason in enumerate(self.reasons, 1))]


def verdict_legend(more: str = "") -> list[str]:
    """Return the list items that explain the verdicts.

    Args:
        more: what else counts as reproduced, beside accuracies.
    """
    return [
        f"- *reproduced*: the two differ by at most 2 points or 2 standard deviations{more}.",
        "- *not comparable*: they were measured in different ways (data, split, training); the reasons are given.",
        "- *not run*: nothing was measured here for this number; what is missing is the last reason.",
    ]


def arithmetic_table(checks: Iterable[ArithmeticCheck]) -> list[str]:
    """Return the table of statements that are checked against the publication's own numbers."""
    lines = table_header(("the publication says", "verdict", "its own numbers"))
    return [*lines, *(table_line((check.says, f"**{check.word}**", check.working)) for check in checks)]


def table_header(columns: Iterable[str]) -> list[str]:
    """Return the first two lines of a table."""
    names = list(columns)
    return [table_line(names), "| " + " | ".join("---" for _ in names) + " |"]


def table_line(cells: Iterable[object]) -> str:
    """Return one line of a table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def cell_as_json(cell: Cell) -> dict[str, Any]:
    """Return a cell unrounded, as it is written to JSON."""
    return {"mean": cell.mean, "std": cell.std, "n": len(cell.values), "values": list(cell.values)}
