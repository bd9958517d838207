"""Robustness: accuracy over the severity of the corruptions, a chart for each scenario."""

from avtrain.report.charts.axis import Axis, percent_axis
from avtrain.report.charts.lines import line_chart
from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.markup import chart_group, legend
from avtrain.report.sections.base import Section
from avtrain.report.tables import SeverityCurve
from avtrain.report.view import ReportView

NOTE = (
    "Every corruption of a scenario at the same severity; the random draws are the same at all severities. "
    "Whiskers: ± one standard deviation over seeds."
)


def html(view: ReportView) -> str:
    """Return a chart for each scenario evaluated at several severities, all with one axis of accuracies."""
    if not view.curves:
        return ""
    cells = [cell for curve in view.curves for row in curve.rows.values() for cell in row.values()]
    accuracies = percent_axis("test accuracy (%)", [100 * end for cell in cells for end in cell.interval])
    charts = [_chart(curve, accuracies, view) for curve in view.curves]
    shown = [style for entry, style in view.styles.items() if any(entry in curve.rows for curve in view.curves)]
    return chart_group("Robustness over severity", NOTE, legend(shown), charts)


def _chart(curve: SeverityCurve, accuracies: Axis, view: ReportView) -> str:
    values = sorted({severity for row in curve.rows.values() for severity in row})
    severities = Axis("severity (0: clean)", min(values) - 0.2, max(values) + 0.2, {s: str(s) for s in values})
    origin = f" of {curve.other_manifest}, never trained on" if curve.other_manifest else ""
    series = {
        view.styles[entry].index: [view.accuracy_point(entry, severity, row[severity]) for severity in sorted(row)]
        for entry, row in curve.rows.items()
    }
    return line_chart(PlotArea(f"{curve.scenario}{origin}", severities, accuracies), series)


SECTION = Section("severity_curves", html)
