"""The lines that `avtrain reproduce mla-table2` prints, and the files that it writes."""

import json
from dataclasses import asdict
from pathlib import Path

from avbuild.dataset.storage import write_whole
from avtrain.reproduction.markdown import Footnotes, arithmetic_table, table_header, table_line
from avtrain.reproduction.mla.checks import CHECKS
from avtrain.reproduction.mla.missing_rates import NAME, TITLE, judge_table
from avtrain.reproduction.mla.published import CELLS_2
from avtrain.reproduction.summary import columns
from avtrain.reproduction.verdict import count_line, tally
from avtrain.reproduction.web_page import write_web_page


def printed() -> list[str]:
    """Return the table as lines to print: published numbers, why each row was not run, and the count."""
    footnotes, rows = Footnotes(), _rows()
    lines = columns([("method", *rates(), "verdict", "why"), *((*row, *_verdict(row[0], footnotes)) for row in rows)])
    return [*lines, *footnotes.lines(), "", count_line(NAME, tally(CELLS_2, judge_table()))]


def write(out: Path) -> tuple[Path, Path, Path]:
    """Write the table as Markdown, HTML and JSON; returns the paths.  out: folder that gets the files."""
    page, data = out / f"{NAME}.md", out / f"{NAME}.json"
    text = as_markdown()
    write_whole(page, text)
    web = write_web_page(page, text)
    content = {
        "table": NAME,
        "verdicts": tally(CELLS_2, judge_table()),
        "arithmetic": [asdict(check) for check in CHECKS],
        "published": [asdict(number) for number in judge_table()],
    }
    write_whole(data, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return page, web, data


def as_markdown() -> str:
    """Return the page."""
    footnotes = Footnotes()
    lines = [
        f"# {TITLE}",
        "",
        "Accuracy in %, three seeds, audio, image and text missing at the rate of the column. Nothing was run.",
        "",
        *table_header(("method", *rates(), "verdict", "why")),
        *(table_line((*row, *_verdict(row[0], footnotes))) for row in _rows()),
        *footnotes.lines(),
        "",
        f"**{count_line(NAME, tally(CELLS_2, judge_table()))}.**",
        "",
        "## Statements checked by arithmetic",
        "",
        *arithmetic_table(CHECKS),
        "",
    ]
    return "\n".join(lines)


def rates() -> tuple[str, ...]:
    """Return the columns of the table, such as "10 %"."""
    return tuple(dict.fromkeys(f"{cell.column} %" for cell in CELLS_2))


def _rows() -> list[tuple[str, ...]]:
    """Return method and published numbers of each row."""
    methods = dict.fromkeys(cell.row[0] for cell in CELLS_2)
    return [(method, *(cell.printed for cell in CELLS_2 if cell.row[0] == method)) for method in methods]


def _verdict(method: str, footnotes: Footnotes) -> tuple[str, str]:
    (verdict,) = {number.verdict for number in judge_table() if number.labels[0] == method}
    return verdict.word, footnotes.cite(verdict)
