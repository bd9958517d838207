"""Reliability: how often predictions of each confidence are right, before and after calibration."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from avtrain.evaluation.metrics import Bin, calibration_error, calibration_floor, pooled
from avtrain.report.charts.reliability import reliability_chart
from avtrain.report.markup import chart_group, html_table, markdown_table, number_cells
from avtrain.report.results import Cell, Evaluation, scenario_order
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "All scenarios and seeds together, with the temperatures of the runs where they have some. Bars: accuracy in 15 "
    "equal bins of confidence, more opaque where there are more predictions; on the diagonal, accuracy equals "
    "confidence. Error: expected calibration error."
)
TABLE_NOTE = (
    "Before → after the temperature that was fitted on the validation split; one number: not calibrated. Lower is "
    "better. ECE: expected calibration error in %, 15 bins; floor: the ECE that perfect probabilities as confident as "
    "these would have by chance, with so few samples; NLL: negative log-likelihood of the true class; Brier: "
    "squared distance of the probabilities from the true class. Means over n seeds."
)
Scores = Mapping[str, Any]  # of one evaluation, or of its part `uncalibrated`


def html(view: ReportView) -> str:
    """Return a diagram for each entry, and a table of errors by scenario."""
    charts = []
    for entry, evaluations in view.own.items():
        bins = pooled([_bins(e) for e in evaluations])
        title = f"{view.styles[entry].name}: error {100 * calibration_error(bins):.1f} %"
        charts.append(reliability_chart(title, bins))
    if not charts:
        return ""
    columns, rows = _table(view)
    lines = [
        f"<th scope=row>{escape(name)}</th><td>{measure}</td>{number_cells(map(escape, cells))}"
        for name, measure, *cells in rows
    ]
    table = html_table("Calibration", escape(TABLE_NOTE), ["method", "measure"], columns, lines)
    return chart_group("Reliability", NOTE, "", charts) + table


def markdown(view: ReportView) -> str:
    """Return the table of errors by scenario."""
    if not view.own:
        return ""
    columns, rows = _table(view)
    heading = f"#### {view.results.manifest}: calibration"
    return markdown_table(heading, ["method", "measure", *columns], rows, TABLE_NOTE)


def _table(view: ReportView) -> tuple[list[str], list[list[str]]]:
    """Return the columns after name and measure, and the rows as plain text."""
    scenarios = scenario_order([e for evaluations in view.own.values() for e in evaluations])
    rows = []
    for entry, evaluations in view.own.items():
        of_scenario = [[e for e in evaluations if e["scenario"] == name] for name in scenarios]
        count = max(len(found) for found in of_scenario)
        for measure, value in MEASURES.items():
            cells = [value(found) for found in of_scenario]
            if any(cells):
                rows.append([view.styles[entry].name, measure, *(cell or "–" for cell in cells), str(count)])
    return [*scenarios, "n"], rows


def _mean(values: Sequence[Any]) -> str:
    if not values or any(value is None for value in values):
        return ""
    mean = Cell(tuple(values)).mean
    return f"{mean:.1f}" if mean >= 10 else f"{mean:.2f}"


def _bins(scores: Scores) -> list[Bin]:
    return [Bin(**each) for each in scores["reliability"]]


def _before_and_after(value: Callable[[Scores], float | None]) -> Callable[[Sequence[Evaluation]], str]:
    """Return a function of evaluations to `before → after`, or one number; empty where a seed lacks it."""

    def cell(evaluations: Sequence[Evaluation]) -> str:
        after = _mean([value(e) for e in evaluations])
        before = _mean([value(e["uncalibrated"]) if e.get("uncalibrated") else None for e in evaluations])
        return f"{before} → {after}" if before and after else after

    return cell


MEASURES: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {
    "ECE, %": _before_and_after(lambda scores: 100 * calibration_error(_bins(scores))),
    "ECE floor, %": lambda evaluations: _mean([100 * calibration_floor(_bins(e)) for e in evaluations]),
    "NLL": _before_and_after(lambda scores: scores.get("negative_log_likelihood")),
    "Brier": _before_and_after(lambda scores: scores.get("brier_score")),
}
SECTION = Section("reliability", html, markdown)
