"""All accuracies of a report as CSV."""

import csv
import io
from collections.abc import Container, Sequence

from avtrain.data.masks import MissingShares
from avtrain.evaluation.missing_lines import missing_by_scenario
from avtrain.report.results import Cell, Entry, Results
from avtrain.report.tables import SeverityCurve
from avtrain.report.view import ReportView

COLUMNS = (
    "manifest", "leaky", "method", "scenario", "accuracy_mean", "accuracy_std", "n", "other_manifest", "severity",
    "nominal_rate", "cells_missing", "complete",
)  # fmt: skip


def render_csv(views: Sequence[ReportView]) -> str:
    """Return one line for each manifest, entry and scenario; scenarios at other severities are included."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(COLUMNS)
    for view in views:
        for table in view.tables:
            for entry, row in table.rows.items():
                other = table.other_manifest
                writer.writerows(
                    (*_line(view.results, entry, name, cell, other, None), *_missing(table.missing.get(name)))
                    for name, cell in row.items()
                )
        listed = {(table.other_manifest, scenario) for table in view.tables for scenario in table.scenarios}
        for curve in view.curves:
            shares = missing_by_scenario(
                e for e in view.results.evaluations if e["other_manifest"] == curve.other_manifest
            )
            writer.writerows(
                (*line, *_missing(shares.get(str(line[3])))) for line in _curve_lines(view.results, curve, listed)
            )
    return output.getvalue()


def _curve_lines(
    results: Results, curve: SeverityCurve, listed: Container[tuple[str | None, str]]
) -> list[tuple[object, ...]]:
    """Return the lines of severities above 0 that no table has.  listed: manifest and name of the tables' scenarios."""
    return [
        _line(results, entry, name, cell, curve.other_manifest, severity)
        for entry, row in curve.rows.items()
        for severity, cell in row.items()
        if severity and (curve.other_manifest, name := f"{curve.scenario}-severity{severity}") not in listed
    ]


def _line(
    results: Results, entry: Entry, scenario: str, cell: Cell, other_manifest: str | None, severity: int | None
) -> tuple[object, ...]:
    std = "" if cell.std is None else f"{cell.std:.6f}"
    measured = (f"{cell.mean:.6f}", std, len(cell.values))
    return (results.manifest, results.leaky, str(entry), scenario, *measured, other_manifest or "", severity or "")


def _missing(found: tuple[str, MissingShares] | None) -> tuple[object, ...]:
    """Return the nominal rate of a scenario and the shares that are really missing; empty where nothing is."""
    if found is None:
        return "", "", ""
    rate, shares = found
    return rate, f"{shares.cells_missing:.6f}", f"{shares.complete:.6f}"
