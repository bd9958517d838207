"""The tables of a report as text: Markdown, LaTeX, CSV, JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from avbuild.errors import UsageError, nearest
from avtrain.report.csv_table import render_csv
from avtrain.report.latex import bold, latex_table, latex_text
from avtrain.report.results import Entry
from avtrain.report.sections import registry
from avtrain.report.tables import PARTLY_TRAINED_ON, Table
from avtrain.report.view import ReportView


def render_markdown(views: Sequence[ReportView]) -> str:
    """Return the Markdown of all sections, one manifest after another."""
    parts = [section.markdown(view) for view in views for section in registry.all_sections()]
    return "\n".join(part for part in parts if part)


def render_latex(views: Sequence[ReportView]) -> str:
    """Return one table a manifest evaluated on, with the numbers of samples and seeds in its caption."""
    return "\n".join(_latex(table) for view in views for table in view.tables)


def render_json(views: Sequence[ReportView]) -> str:
    """Return all tables and sweeps as one JSON object; accuracies of tables are from 0 to 1."""
    tables = [_record(table) for view in views for table in view.tables]
    sweeps = [asdict(sweep) for view in views for sweep in view.sweeps]
    return json.dumps({"tables": tables, "sweeps": sweeps}, indent=1) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[ReportView]], str]] = {
    "markdown": render_markdown,
    "latex": render_latex,
    "csv": render_csv,
    "json": render_json,
}
FILES = {"markdown": "report.md", "latex": "report.tex", "csv": "report.csv", "json": "report.json"}


def check_format(name: str, allowed: Sequence[str]) -> None:
    """Raise UsageError where `--format` has a value that is not allowed."""
    if name not in allowed:
        raise UsageError(f"--format {name}: allowed are {', '.join(allowed)}{nearest(name, allowed)}")


def _latex(table: Table) -> str:
    rows = []
    for entry, row in table.rows.items():
        cells = [latex_text(row.get(column, "–")) for column in table.columns]
        shown = [bold(text) if table.is_bold(entry, c) else text for c, text in zip(table.columns, cells, strict=True)]
        rows.append([latex_text(entry), *shown, str(table.seed_count(entry))])
    caption = (
        f"{table.title}: test accuracy in %, mean ± standard deviation over n seeds ({table.size_note}). "
        f"{table.test_note}"
    )
    if table.partly_trained_on:
        caption += f" {PARTLY_TRAINED_ON}"
    if table.missing:
        caption += f" {table.missing_note}"
    return latex_table(caption, table.title, ["method"], [*map(table.heading, table.columns), "n"], rows)


def _record(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "manifest": table.manifest,
        "other_manifest": table.other_manifest,
        "leaky": table.leaky,
        "samples": table.samples,
        "groups": table.tests.groups or None,
        "scenarios": list(table.scenarios),
        "partly_trained_on": list(table.partly_trained_on),
        "missing": {name: {"nominal_rate": rate, **asdict(shares)} for name, (rate, shares) in table.missing.items()},
        "bold": table.test_note,
        "rows": [_row(table, entry) for entry in table.rows],
    }


def _row(table: Table, entry: Entry) -> dict[str, Any]:
    names = ("method", "backbone", "train_on", "inference", "selected_on", "folder")
    cells = {
        column: {
            "mean": cell.mean,
            "std": cell.std,
            "values": list(cell.values),
            "bold": table.is_bold(entry, column),
            "p_against_best": table.tests.p_values.get(column, {}).get(entry),
        }
        for column, cell in ((c, table.rows[entry][c]) for c in table.columns if c in table.rows[entry])
    }
    return {**{name: getattr(entry, name) for name in names}, "seeds": table.seed_count(entry), "cells": cells}
