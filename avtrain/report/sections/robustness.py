"""Robustness: relative accuracy, mean corruption error, area under the severity curve."""

from html import escape

from avtrain.report.markup import html_table, markdown_table, markdown_text, number_cells
from avtrain.report.robustness import robustness
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "In %. Relative: mean accuracy on the corrupted scenarios over that on clean data. mCE: mean over scenarios of the "
    "error over that of the baseline, {baseline} (100: as many errors; lower is better)."
)
AREA_NOTE = " Area: under the robustness curve of a scenario, from clean data to its strongest level; higher is better."


def html(view: ReportView) -> str:
    """Return a table of the entries that were evaluated on clean and on corrupted data."""
    columns, rows, note = _table(view)
    if not rows:
        return ""
    lines = [f"<th scope=row>{escape(name)}</th>{number_cells(cells)}" for name, *cells in rows]
    return html_table("Robustness", escape(note), ["method"], columns, lines)


def markdown(view: ReportView) -> str:
    """Return a table of the entries that were evaluated on clean and on corrupted data."""
    columns, rows, note = _table(view)
    if not rows:
        return ""
    leaky = " (leaky split)" if view.results.leaky else ""
    return markdown_table(
        f"#### {view.results.manifest}{leaky}: robustness", ["method", *columns], rows, markdown_text(note)
    )


def _table(view: ReportView) -> tuple[list[str], list[list[str]], str]:
    """Return the columns after the name, the rows as plain text, and the note."""
    found = robustness(view)
    scenarios = list(dict.fromkeys(name for each in found.values() for name in each.areas))
    rows = [
        [
            view.styles[entry].name,
            str(each.clean),
            str(each.corrupted),
            str(each.relative),
            "–" if each.corruption_error is None else str(each.corruption_error),
            *(str(each.areas.get(name, "–")) for name in scenarios),
            str(len(each.clean.values)),
        ]
        for entry, each in found.items()
    ]
    columns = ["clean", "corrupted", "relative", "mCE", *(f"area {name}" for name in scenarios), "n"]
    baseline = "" if view.baseline is None else view.styles[view.baseline].name
    note = NOTE.replace("{baseline}", baseline)  # a name may hold braces
    return columns, rows, note + (AREA_NOTE if scenarios else "")


SECTION = Section("robustness", html, markdown)
