"""Stacked bars: how a router divides its weight over the sets of prompts."""

from collections.abc import Mapping, Sequence
from html import escape

from avtrain.report.charts.series import colour
from avtrain.report.charts.svg import figure, text

WIDTH, HEIGHT, DISTANCE = 380, 22, 28  # pixels: of a whole bar, and from one bar to the next
CHARACTER = 7  # pixels, about


def stacked_bars(title: str, bars: Mapping[str, Mapping[str, float]], segments: Sequence[str]) -> str:
    """Return one horizontal bar a scenario, cut into the weights of the sets of prompts.

    Args:
        title: caption; plain text.
        bars: by scenario, the weight of each set of prompts; those of a scenario sum to 1.
        segments: names of the sets of prompts, from left to right.
    """
    margin = 12 + CHARACTER * max(map(len, bars))
    elements = []
    for row, (name, lengths) in enumerate(bars.items()):
        y = 4 + DISTANCE * row
        elements.append(text(margin - 6, y + 15, name, "end"))
        elements += _segments(name, lengths, segments, float(margin), y)
    return figure(margin + WIDTH + 10, 8 + DISTANCE * len(bars), title, elements)


def _segments(name: str, lengths: Mapping[str, float], segments: Sequence[str], x: float, y: int) -> list[str]:
    """Return the segments of one bar that starts at (x, y)."""
    elements = []
    for index, segment in enumerate(segments):
        length = lengths[segment] * WIDTH
        tooltip = f"{name}: {lengths[segment]:.1%} from the prompts of {segment}"
        label = f"{segment} {100 * lengths[segment]:.0f} %"
        fits = CHARACTER * len(label) + 6 < length
        elements.append(
            f'<g><title>{escape(tooltip)}</title><rect class="fill {colour(index)}" x="{x:.1f}" y="{y}" '
            f'width="{length:.1f}" height="{HEIGHT}"/>'
            + (text(round(x + length / 2, 1), y + 15, label, "middle", 'class="over"') if fits else "")
            + "</g>"
        )
        x += length
    return elements
