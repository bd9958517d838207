"""The area of a chart between its two axes."""

from collections.abc import Iterable
from dataclasses import dataclass

from avtrain.report.charts.axis import Axis
from avtrain.report.charts.svg import figure, text

LEFT, RIGHT, TOP, BOTTOM = 50, 20, 12, 44  # margins in pixels: tick labels and axis labels stand there


@dataclass(frozen=True)
class PlotArea:
    """Two axes and the size of the chart around them.

    Attributes:
        title: caption of the chart; plain text.
        x: horizontal axis.
        y: vertical axis.
        width: pixels, margins included.
        height: pixels, margins included.
    """

    title: str
    x: Axis
    y: Axis
    width: int = 370
    height: int = 270

    def to_pixels(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the data lies: pixels from the left and from the top."""
        right, up = self.x.fraction(x), self.y.fraction(y)
        left = LEFT + right * (self.width - LEFT - RIGHT)
        return round(left, 1), round(self.height - BOTTOM - up * (self.height - TOP - BOTTOM), 1)

    def draw(self, marks: Iterable[str]) -> str:
        """Return the chart: title, axes, and the marks (SVG) on them."""
        return figure(self.width, self.height, self.title, [self._axes(), *marks])

    def _axes(self) -> str:
        (left, bottom), (right, top) = self.to_pixels(self.x.low, self.y.low), self.to_pixels(self.x.high, self.y.high)
        elements = [f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>']
        for value, label in self.y.ticks.items():
            y = self.to_pixels(self.x.low, value)[1]
            elements.append(f'<path class="grid" d="M{left} {y}H{right}"/>' + text(left - 6, y + 4, label, "end"))
        for value, label in self.x.ticks.items():
            x = self.to_pixels(value, self.y.low)[0]
            elements.append(f'<path class="axis" d="M{x} {bottom}v4"/>' + text(x, bottom + 17, label, "middle"))
        middle = (top + bottom) / 2
        elements.append(text((left + right) / 2, self.height - 8, self.x.label, "middle"))
        elements.append(text(13, middle, self.y.label, "middle", f'transform="rotate(-90 13 {middle})"'))
        return "".join(elements)
