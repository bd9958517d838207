"""Reliability diagrams: how often predictions of each confidence are right."""

from avtrain.evaluation.metrics import Bin, calibration_error, pooled
from avtrain.report.charts.reliability import reliability_chart
from avtrain.report.markup import chart_group
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "All scenarios and seeds together. Bars: accuracy in 15 equal bins of confidence, more opaque where there are "
    "more predictions; on the diagonal, accuracy equals confidence. Error: expected calibration error."
)


def html(view: ReportView) -> str:
    """Return a diagram for each entry, with its expected calibration error."""
    charts = []
    for entry, evaluations in view.own.items():
        bins = pooled([[Bin(**each) for each in e["reliability"]] for e in evaluations])
        title = f"{view.styles[entry].name}: error {100 * calibration_error(bins):.1f} %"
        charts.append(reliability_chart(title, bins))
    return chart_group("Reliability", NOTE, "", charts) if charts else ""


SECTION = Section("reliability", html)
