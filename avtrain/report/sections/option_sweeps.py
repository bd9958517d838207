"""Sweeps of options: validation accuracy of each combination, and what varied."""

from html import escape

from avtrain.report.markup import html_table, markdown_table, number_cells
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "Accuracy in % on the validation split, mean over scenarios, ± standard deviation over n seeds; best first. "
    "The test split was not read."
)


def html(view: ReportView) -> str:
    """Return a table for each sweep."""
    return "".join(
        html_table(
            sweep.title, NOTE, [], sweep.columns, [number_cells(escape(cell) for cell in row) for row in sweep.rows]
        )
        for sweep in view.sweeps
    )


def markdown(view: ReportView) -> str:
    """Return a table for each sweep."""
    return "\n".join(
        markdown_table(f"#### {sweep.manifest}: {sweep.title}", sweep.columns, sweep.rows, NOTE)
        for sweep in view.sweeps
    )


SECTION = Section("option_sweeps", html, markdown)
