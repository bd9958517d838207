"""Charts of MLA's Table 2: accuracy over the share of cells that are really missing."""

from collections.abc import Mapping, Sequence

from avtrain.report.charts.axis import Axis, number_axis, percent_axis
from avtrain.report.charts.lines import Point, line_chart
from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.charts.series import SeriesStyle
from avtrain.report.markup import chart_group, legend
from avtrain.reproduction.mla.missing_rates_runs import RateTable
from avtrain.reproduction.system import System

NOTE = (
    "Test accuracy over the share of cells that are missing in the test split, which is not the nominal rate. "
    "Whiskers: ± one standard deviation over seeds."
)


def charts(tables: Sequence[RateTable], styles: Mapping[System, SeriesStyle]) -> str:
    """Return one chart a table as HTML, all with one axis of accuracies.

    Args:
        tables: measured.
        styles: system -> how it is drawn.
    """
    cells = [cell for table in tables for row in table.rows.values() for cell in row]
    accuracies = percent_axis("test accuracy (%)", [100 * end for cell in cells for end in cell.interval])
    drawn = [_chart(table, styles, accuracies) for table in tables]
    return chart_group("Accuracy over the achieved missing rate", NOTE, legend(styles.values()), drawn)


def _chart(table: RateTable, styles: Mapping[System, SeriesStyle], accuracies: Axis) -> str:
    missing = [round(100 * shares.cells_missing, 1) for shares in table.shares]
    area = PlotArea(f"{table.data}, {table.protocol}", number_axis("cells missing (%)", missing), accuracies)
    series = {}
    for system, cells in table.rows.items():
        style, points = styles[system], []
        for x, cell in sorted(zip(missing, cells, strict=True), key=lambda pair: pair[0]):
            tooltip = f"{style.name}: {cell} % at {x:g} % of cells missing, n = {len(cell.values)}"
            points.append(Point(x, 100 * cell.mean, 100 * (cell.std or 0.0), tooltip))
        series[style.index] = points
    return line_chart(area, series)
