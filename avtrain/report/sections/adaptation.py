"""Time and accuracy of runs with test-time adaptation."""

from html import escape

import numpy as np

from avtrain.report.markup import html_table, markdown_table, number_cells
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

COLUMNS = ("stream", "batch", "predicts", "mean accuracy, %", "ms a sample")
NOTE = (
    "The condition of a stream is not told. one: one condition after another, each from the start; continual: without "
    "starting anew; mixed: all conditions interleaved. The mean is over all conditions scored, and the time is that of "
    "prediction and adaptation, without loading. Predicts: before or after the step that a batch leads to."
)


def html(view: ReportView) -> str:
    """Return a row for each entry with an adapter."""
    rows = [f"<th scope=row>{escape(name)}</th>{number_cells(map(escape, cells))}" for name, cells in _rows(view)]
    return html_table("Test-time adaptation", NOTE, ["method"], COLUMNS, rows) if rows else ""


def markdown(view: ReportView) -> str:
    """Return a row for each entry with an adapter."""
    rows = [[name, *cells] for name, cells in _rows(view)]
    title = f"#### {view.results.manifest}: test-time adaptation"
    return markdown_table(title, ["method", *COLUMNS], rows, NOTE) if rows else ""


def _rows(view: ReportView) -> list[tuple[str, tuple[str, ...]]]:
    """Return name and cells of each entry with an adapter."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for entry, evaluations in view.results.entries.items():
        adapted = [e for e in evaluations if e.get("adaptation")]
        if adapted:
            about = adapted[0]["adaptation"]
            milliseconds = 1000 * np.mean([e["adaptation"]["seconds_per_sample"] for e in adapted])
            mean = 100 * np.mean([e["accuracy"] for e in adapted])
            cells = (about["stream"], str(about["batch"]), about["predicts"], f"{mean:.1f}", f"{milliseconds:.2f}")
            rows.append((str(entry), cells))
    return rows


SECTION = Section("adaptation", html, markdown)
