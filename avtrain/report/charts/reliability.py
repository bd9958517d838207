"""Reliability diagrams: accuracy by confidence."""

from collections.abc import Sequence

from avtrain.evaluation.metrics import Bin
from avtrain.report.charts.axis import Axis
from avtrain.report.charts.plot_area import PlotArea

TICKS = {tick / 10: f"{10 * tick}" for tick in range(0, 11, 2)}


def reliability_chart(title: str, bins: Sequence[Bin]) -> str:
    """Return a bar of accuracy for each bin of confidence; the bars of a calibrated model end on the diagonal.

    Args:
        title: caption; plain text.
        bins: of equal width over confidences 0 to 1; empty ones are left out, and those with more predictions drawn
            stronger.
    """
    area = PlotArea(title, Axis("confidence (%)", 0, 1, TICKS), Axis("accuracy (%)", 0, 1, TICKS), 260, 260)
    largest = max(b.count for b in bins)
    marks = []
    for index, each in enumerate(bins):
        if each.accuracy is None or each.confidence is None:
            continue
        left, top = area.to_pixels(index / len(bins), each.accuracy)
        right, bottom = area.to_pixels((index + 1) / len(bins), 0.0)
        x, y = area.to_pixels(each.confidence, each.accuracy)
        tooltip = f"confidence {each.confidence:.1%}, accuracy {each.accuracy:.1%}, {each.count:,} predictions"
        marks.append(
            f'<g><title>{tooltip}</title><path class="fill s0" fill-opacity="{0.2 + 0.7 * each.count / largest:.2f}" '
            f'd="M{left} {bottom}V{top}H{right}V{bottom}z"/><path class="line s1" d="M{x - 4:g} {y}h8"/></g>'
        )
    (x0, y0), (x1, y1) = area.to_pixels(0, 0), area.to_pixels(1, 1)
    return area.draw([*marks, f'<path class="diagonal" d="M{x0} {y0}L{x1} {y1}"/>'])
