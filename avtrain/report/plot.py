"""The accuracies of a report as a bar plot."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avtrain.report.charts.series import COLOURS, LIGHT
from avtrain.report.tables import Table
from avtrain.report.view import ReportView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HATCHES = ("", "////", "....", "xxxx", "----")  # the next one when all colours have been used
MOST_BARS_WITH_NUMBERS = 6  # a scenario; with more, the numbers would overlap
LEGEND_ROWS = 24  # of a column of the legend


def render_plot(views: Sequence[ReportView]) -> bytes:
    """Return a PNG with one panel a table: scenarios from left to right, entries side by side, std as whiskers.

    Colours are those of the page; the legend stands beside the bars.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    panels = [(table, view) for view in views for table in view.tables]
    width = max(_width(table) for table, _ in panels)
    longest = max(len(view.styles[entry].name) for table, view in panels for entry in table.rows)
    columns = max(-(-len(table.rows) // LEGEND_ROWS) for table, _ in panels)
    legend = columns * (0.7 + 0.068 * longest)
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(width + legend, 4.2 * len(panels)), squeeze=False, layout="constrained"
    )
    for (table, view), panel in zip(panels, axes[:, 0], strict=True):
        _draw_panel(table, view, panel)
    png = io.BytesIO()
    figure.savefig(png, dpi=150)
    pyplot.close(figure)
    return png.getvalue()


def _width(table: Table) -> float:
    """Return inches for the bars of a table."""
    return min(22.0, max(5.5, len(table.columns) * (0.3 + 0.13 * len(table.rows))))


def _draw_panel(table: Table, view: ReportView, axes: "Axes") -> None:
    width = 0.84 / len(table.rows)
    for place, (entry, row) in enumerate(table.rows.items()):
        style = view.styles[entry]
        cells = {index: row[name] for index, name in enumerate(table.columns) if name in row}
        bars = axes.bar(
            [index - 0.42 + width * (place + 0.5) for index in cells],
            [100 * cell.mean for cell in cells.values()],
            width * 0.92,
            yerr=[100 * (cell.std or 0.0) for cell in cells.values()],
            label=style.name.replace("$", r"\$"),  # else matplotlib reads it as mathematics
            color=LIGHT[style.index % COLOURS],
            hatch=HATCHES[style.index // COLOURS % len(HATCHES)],
            edgecolor="white",
            linewidth=0,
            error_kw={"lw": 1, "ecolor": "0.25"},
        )
        if len(table.rows) <= MOST_BARS_WITH_NUMBERS:
            axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1, color="0.3")
    axes.set_xticks(range(len(table.columns)), [table.heading(column).replace("$", r"\$") for column in table.columns])
    axes.set(ylabel="test accuracy (%)", ylim=(0, 105), xlim=(-0.55, len(table.columns) - 0.45))
    axes.set_title(table.title.replace("$", r"\$"), loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.legend(
        fontsize=8,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=-(-len(table.rows) // LEGEND_ROWS),
    )
