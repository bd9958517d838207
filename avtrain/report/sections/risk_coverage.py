"""Risk over coverage: the error that remains if uncertain samples are not answered."""

from collections.abc import Sequence
from html import escape

from avtrain.report.charts.axis import Axis, percent_axis
from avtrain.report.charts.lines import Point, line_chart
from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.markup import chart_group, html_table, legend, markdown_table, number_cells
from avtrain.report.results import scenario_order
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "Error among the most confident share of the samples, mean over n seeds; at the right end all are answered. "
    "avtrain predict --abstain-below P answers where the probability is P or more."
)
AREA_NOTE = (
    "Mean error over all coverages in % (area under the curve), mean ± standard deviation over n seeds; lower is "
    "better."
)
TICKS = {share: f"{100 * share:.0f}" for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}


def html(view: ReportView) -> str:
    """Return a chart for each scenario, and a table of the areas under the curves."""
    scenarios = _scenarios(view)
    if not scenarios:
        return ""
    shown = [curve for curves in view.risks.values() for curve in curves.values()]
    risks = percent_axis("error (%)", [100 * cell.mean for curve in shown for cell in curve.risks.values()])
    charts = [_chart(view, name, risks) for name in scenarios]
    rows = [f"<th scope=row>{escape(name)}</th>{number_cells(map(escape, cells))}" for name, *cells in _rows(view)]
    styles = [view.styles[entry] for entry in view.risks]
    return chart_group("Risk and coverage", NOTE, legend(styles), charts) + html_table(
        "Area under risk and coverage", escape(AREA_NOTE), ["method"], [*scenarios, "n"], rows
    )


def markdown(view: ReportView) -> str:
    """Return the table of the areas."""
    scenarios = _scenarios(view)
    heading = f"#### {view.results.manifest}: area under risk and coverage"
    return markdown_table(heading, ["method", *scenarios, "n"], _rows(view), AREA_NOTE) if scenarios else ""


def _chart(view: ReportView, scenario: str, risks: Axis) -> str:
    series = {
        view.styles[entry].index: [
            Point(c, 100 * cell.mean, 0.0, f"{view.styles[entry].name}: error {cell} % at coverage {c:.0%}")
            for c, cell in curves[scenario].risks.items()
        ]
        for entry, curves in view.risks.items()
        if scenario in curves
    }
    return line_chart(PlotArea(scenario, Axis("coverage (%)", 0, 1, TICKS), risks), series)


def _rows(view: ReportView) -> list[list[str]]:
    """Return name, area in each scenario, and number of seeds of each entry."""
    scenarios = _scenarios(view)
    return [
        [
            view.styles[entry].name,
            *(str(curves[name].area) if name in curves else "–" for name in scenarios),
            str(max(len(curve.area.values) for curve in curves.values())),
        ]
        for entry, curves in view.risks.items()
    ]


def _scenarios(view: ReportView) -> Sequence[str]:
    drawn = {name for curves in view.risks.values() for name in curves}
    every = scenario_order([e for evaluations in view.own.values() for e in evaluations])
    return [name for name in every if name in drawn]


SECTION = Section("risk_coverage", html, markdown)
