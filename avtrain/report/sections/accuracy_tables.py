"""Test accuracy of every entry on every scenario, a table for each manifest evaluated on."""

import re
from html import escape

from avtrain.report.charts.series import swatch
from avtrain.report.markup import html_table, markdown_table, markdown_text, number_cells
from avtrain.report.results import Entry
from avtrain.report.sections.base import Section
from avtrain.report.tables import PARTLY_TRAINED_ON, Table
from avtrain.report.view import ReportView

HTML_NOTE = "In %, mean ± standard deviation over n seeds"
INFERENCE_NOTE = "Inference: how prompts are chosen; <i>oracle</i> is given each sample’s true scenario."
MARKDOWN_NOTE = "Test accuracy in %, mean ± standard deviation over n seeds"
ORACLE_NOTE = "oracle: given each sample's true scenario."


def html(view: ReportView) -> str:
    """Return the tables, each row with the colour and marker that its entry has in charts."""
    return _repeats_named("\n".join(_html_table(table, view) for table in view.tables), view)


def markdown(view: ReportView) -> str:
    """Return the tables, as short as a paper needs them."""
    return _repeats_named("\n".join(_markdown_table(table) for table in view.tables), view)


def _repeats_named(text: str, view: ReportView) -> str:
    """Say folds where the n values of a cell are those of the folds of a cross-validation."""
    return re.sub(r"\b(n|[0-9]+) seeds\b", r"\1 folds", text) if view.results.folds else text


def _html_table(table: Table, view: ReportView) -> str:
    title = f"Never trained on: scenarios of {table.other_manifest}" if table.other_manifest else "Test accuracy"
    notes = [f"{HTML_NOTE}; {table.size_note}.", escape(table.test_note)]
    if any(entry.inference for entry in table.rows):
        notes.append(INFERENCE_NOTE)
    if table.partly_trained_on:
        notes.append(PARTLY_TRAINED_ON)
    if table.missing:
        notes.append(escape(table.missing_note))
    return html_table(
        title,
        " ".join(notes),
        ("method", "backbone", "trained on", "inference"),
        (*map(table.heading, table.columns), "n"),
        [_html_row(table, entry, view.styles[entry].index) for entry in table.rows],
    )


def _html_row(table: Table, entry: Entry, index: int) -> str:
    details = "".join(f" <small>{escape(word)}</small>" for word in (entry.warning, entry.folder) if word)
    names = f"<th scope=row>{swatch(index)} {escape(entry.method)}{details}</th>"
    names += "".join(f"<td>{escape(word)}</td>" for word in (entry.backbone, entry.train_on, entry.inference or "–"))
    row = table.rows[entry]
    cells = [f"<b>{row[c]}</b>" if table.is_bold(entry, c) else row.get(c, "–") for c in table.columns]
    return names + number_cells([*cells, table.seed_count(entry)])


def _markdown_table(table: Table) -> str:
    rows = []
    for entry, row in table.rows.items():
        cells = [f"**{row[c]}**" if table.is_bold(entry, c) else row.get(c, "") for c in table.columns]
        rows.append([entry, *cells, table.seed_count(entry)])
    columns = ["method", *map(table.heading, table.columns), "n"]
    notes = [f"{MARKDOWN_NOTE}; {table.size_note}.", ORACLE_NOTE, markdown_text(table.test_note)]
    if table.partly_trained_on:
        notes.append(PARTLY_TRAINED_ON)
    if table.missing:
        notes.append(markdown_text(table.missing_note))
    return markdown_table(f"### {table.title}", columns, rows, " ".join(notes))


SECTION = Section("accuracy_tables", html, markdown)
