"""The accuracies of a report as a bar plot."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avtrain.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def render_plot(tables: Sequence[Table]) -> bytes:
    """Return a PNG with one panel a table: scenarios from left to right, entries side by side, std as whiskers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        len(tables), 1, figsize=(8, 3.6 * len(tables)), squeeze=False, layout="constrained"
    )
    for table, axes in zip(tables, panels[:, 0], strict=True):
        _draw_panel(table, axes)
    png = io.BytesIO()
    figure.savefig(png, dpi=150)
    pyplot.close(figure)
    return png.getvalue()


def _draw_panel(table: Table, axes: "Axes") -> None:
    width = 0.8 / len(table.rows)
    for index, (entry, row) in enumerate(table.rows.items()):
        cells = {place: row[name] for place, name in enumerate(table.columns) if name in row}
        places = [place - 0.4 + width * (index + 0.5) for place in cells]
        heights = [100 * cell.mean for cell in cells.values()]
        spread = [100 * (cell.std or 0.0) for cell in cells.values()]
        bars = axes.bar(places, heights, width * 0.92, yerr=spread, label=str(entry), error_kw={"lw": 1})
        axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1, color="0.3")
    axes.set_xticks(range(len(table.columns)), [table.heading(column) for column in table.columns])
    axes.set(ylabel="test accuracy (%)", ylim=(0, 105))
    axes.set_title(table.title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False, loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.16))
