"""Mean accuracy against the number of trainable parameters."""

from avtrain.report.charts.axis import log_axis, percent_axis
from avtrain.report.charts.lines import scatter_chart
from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.markup import chart_group, legend
from avtrain.report.sections.base import Section
from avtrain.report.tables import MEAN, Table
from avtrain.report.view import ReportView


def html(view: ReportView) -> str:
    """Return a point for each entry that was evaluated on all scenarios of the manifest trained on."""
    return "\n".join(_chart(table, view) for table in view.tables if table.other_manifest is None)


def _chart(table: Table, view: ReportView) -> str:
    means = {
        entry: row[MEAN]
        for entry, row in table.rows.items()
        # of an outside model nobody knows how many were trained
        if MEAN in row and view.results.entries[entry][0]["trainable_parameters"] is not None
    }
    if not means:
        return ""
    parameters = {entry: max(1, view.results.entries[entry][0]["trainable_parameters"]) for entry in means}
    area = PlotArea(
        "mean accuracy by number of trainable parameters",
        log_axis("trainable parameters (logarithmic)", parameters.values()),
        percent_axis("mean test accuracy (%)", [100 * end for cell in means.values() for end in cell.interval]),
        width=560,
        height=320,
    )
    points = {
        view.styles[entry].index: view.accuracy_point(entry, parameters[entry], cell) for entry, cell in means.items()
    }
    note = f"Mean over {', '.join(table.scenarios)}."
    shown = legend(view.styles[entry] for entry in means)
    return chart_group("Accuracy and trainable parameters", note, shown, [scatter_chart(area, points)])


SECTION = Section("trainable_parameters", html)
