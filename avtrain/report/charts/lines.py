"""Line charts and scatter charts, with whiskers for standard deviations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.charts.series import colour, dashes, marker


@dataclass(frozen=True)
class Point:
    """A point of a chart.

    Attributes:
        x: in units of the horizontal axis.
        y: in units of the vertical axis.
        std: standard deviation of y, drawn as a whisker; 0 draws none.
        tooltip: plain text shown when the reader points at it.
    """

    x: float
    y: float
    std: float = 0.0
    tooltip: str = ""


def line_chart(area: PlotArea, series: Mapping[int, Sequence[Point]]) -> str:
    """Return a chart with a line through the points of each series.

    Args:
        area: axes and size.
        series: points by the index of the series, which decides its colour, marker and dashes.
    """
    marks = []
    for index, points in series.items():
        pixels = [area.to_pixels(point.x, point.y) for point in points]
        path = "L".join(f"{x} {y}" for x, y in pixels)
        marks.append(f'<path class="line {colour(index)}" stroke-dasharray="{dashes(index)}" d="M{path}"/>')
        marks += [_point(area, index, point) for point in points]
    return area.draw(marks)


def scatter_chart(area: PlotArea, series: Mapping[int, Point]) -> str:
    """Return a chart with one point a series.

    Args:
        area: axes and size.
        series: a point by the index of the series, which decides its colour and marker.
    """
    return area.draw(_point(area, index, point) for index, point in series.items())


def _point(area: PlotArea, index: int, point: Point) -> str:
    x, y = area.to_pixels(point.x, point.y)
    whisker = ""
    if point.std:
        # cut at the ends of the axis: the mean + std of an accuracy can exceed 100 %
        ends = (min(max(end, area.y.low), area.y.high) for end in (point.y - point.std, point.y + point.std))
        bottom, top = (area.to_pixels(point.x, end)[1] for end in ends)
        whisker = f'<path class="line {colour(index)}" d="M{x} {bottom}V{top}"/>'
    return f"<g><title>{escape(point.tooltip)}</title>{whisker}{marker(index, x, y)}</g>"
