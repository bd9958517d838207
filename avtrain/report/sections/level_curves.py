"""Accuracy over one parameter, such as the signal-to-noise ratio, where scenarios differ in it alone."""

from avtrain.report.charts.axis import number_axis, percent_axis
from avtrain.report.charts.lines import line_chart
from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.markup import chart_group, legend, markdown_table
from avtrain.report.sections.base import Section
from avtrain.report.sweeps import Sweep, sweeps
from avtrain.report.view import ReportView

NOTE = "Scenarios that differ in one parameter only. Whiskers: ± one standard deviation over seeds."


def html(view: ReportView) -> str:
    """Return a chart for each sweep, all with one axis of accuracies."""
    found = _found(view)
    if not found:
        return ""
    cells = [cell for sweep in found for row in sweep.rows.values() for cell in row.values()]
    accuracies = percent_axis("test accuracy (%)", [100 * end for cell in cells for end in cell.interval])
    charts = []
    for sweep in found:
        origin = f" of {sweep.other_manifest}, never trained on" if sweep.other_manifest else ""
        area = PlotArea(f"{sweep.title}{origin}", number_axis(sweep.parameter, sweep.scenarios), accuracies)
        series = {
            view.styles[entry].index: [view.accuracy_point(entry, value, row[value]) for value in sorted(row)]
            for entry, row in sweep.rows.items()
        }
        charts.append(line_chart(area, series))
    shown = [style for entry, style in view.styles.items() if any(entry in sweep.rows for sweep in found)]
    return chart_group("Accuracy over one parameter", NOTE, legend(shown), charts)


def markdown(view: ReportView) -> str:
    """Return a table for each sweep."""
    return "\n".join(_markdown_table(sweep, view) for sweep in _found(view))


def _markdown_table(sweep: Sweep, view: ReportView) -> str:
    values = sorted(sweep.scenarios)
    origin = f" of {sweep.other_manifest}" if sweep.other_manifest else ""
    rows = [[view.styles[entry].name, *(row.get(value, "") for value in values)] for entry, row in sweep.rows.items()]
    heading = f"#### {view.results.manifest}: {sweep.title}{origin}"
    return markdown_table(heading, [sweep.parameter, *(f"{value:g}" for value in values)], rows, f"In %. {NOTE}")


def _found(view: ReportView) -> list[Sweep]:
    return [sweep for table in view.tables for sweep in sweeps(view.results, table)]


SECTION = Section("level_curves", html, markdown)
