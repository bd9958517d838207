"""Charts as inline SVG: no library, no script, the reader's own light or dark colours.

A series has an index; its colour, marker and dashes follow from it, so that no two rely on colour alone.  The colours
themselves are classes `s0` to `s6` of the page's style sheet.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = 7
DASHES = ("", "6 3", "2 3", "8 3 2 3")
LEFT, RIGHT, TOP, BOTTOM = 50, 20, 12, 44  # pixels around the field


@dataclass(frozen=True)
class Point:
    """A value with its standard deviation, and what to say of it when pointed at."""

    x: float
    y: float
    std: float = 0.0
    says: str = ""


@dataclass(frozen=True)
class Axis:
    """One direction of a chart: its label with the unit, its two ends, and where ticks stand."""

    label: str
    low: float
    high: float
    ticks: Mapping[float, str]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the ends, 0 to 1."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low)


def percent_axis(label: str, values: Iterable[float]) -> Axis:
    """Per cent in whole tens around the values (which are in per cent), within 0 to 100."""
    there = list(values)
    low = max(0, 10 * math.floor(min(there) / 10))
    high = min(100, 10 * math.ceil(max(there) / 10))
    low, high = (low, high) if high > low else (max(0, high - 10), max(10, high))
    step = 2 if high - low <= 10 else 5 if high - low <= 20 else 10 if high - low <= 60 else 20
    return Axis(label, low, high, {tick: str(tick) for tick in range(low, high + 1, step)})


def whole_axis(label: str, values: Iterable[int]) -> Axis:
    """Whole numbers such as epochs, at most nine of them named."""
    low, high = min(there := list(values)), max(there)
    step = math.ceil((high - low + 1) / 9)
    return Axis(label, low - 0.5, high + 0.5, {tick: str(tick) for tick in range(low, high + 1, step)})


def zero_axis(label: str, values: Iterable[float]) -> Axis:
    """From zero to a round number above the values, which are not negative."""
    most = max(values) or 1.0
    step = next(s for s in (f * 10.0**e for e in range(-12, 13) for f in (1, 2, 5)) if 5 * s >= most)
    ticks = {count * step: f"{count * step:g}" for count in range(math.ceil(most / step) + 1)}
    return Axis(label, 0.0, max(ticks), ticks)


def count_axis(label: str, values: Iterable[float]) -> Axis:
    """Powers of ten around positive numbers, on a logarithmic scale."""
    there = [max(1.0, value) for value in values]
    low, high = math.floor(math.log10(min(there))), math.ceil(math.log10(max(there)))
    high = max(high, low + 1)
    names = {exponent: _power_of_ten(exponent) for exponent in range(low, high + 1)}
    return Axis(label, 10.0**low, 10.0**high, {10.0**exponent: name for exponent, name in names.items()}, log=True)


def _power_of_ten(exponent: int) -> str:
    thousands, zeros = divmod(exponent, 3)
    return "1" + "0" * zeros + ("", "k", "M", "G", "T")[thousands]


@dataclass(frozen=True)
class Field:
    """The drawing area between two axes, [width, height] in pixels with all that is around it."""

    title: str
    x: Axis
    y: Axis
    width: int = 370
    height: int = 270

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a value."""
        across, up = self.x.share(x), self.y.share(y)
        left = LEFT + across * (self.width - LEFT - RIGHT)
        return round(left, 1), round(self.height - BOTTOM - up * (self.height - TOP - BOTTOM), 1)

    def draw(self, marks: Iterable[str]) -> str:
        """The SVG: title, axes, and marks on them."""
        return svg(self.width, self.height, self.title, [self._frame(), *marks])

    def _frame(self) -> str:
        (left, bottom), (right, top) = self.place(self.x.low, self.y.low), self.place(self.x.high, self.y.high)
        parts = [f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>']
        for value, name in self.y.ticks.items():
            y = self.place(self.x.low, value)[1]
            parts.append(f'<path class="grid" d="M{left} {y}H{right}"/>' + text(left - 6, y + 4, name, "end"))
        for value, name in self.x.ticks.items():
            x = self.place(value, self.y.low)[0]
            parts.append(f'<path class="axis" d="M{x} {bottom}v4"/>' + text(x, bottom + 17, name, "middle"))
        middle = (top + bottom) / 2
        parts.append(text((left + right) / 2, self.height - 8, self.x.label, "middle"))
        parts.append(text(13, middle, self.y.label, "middle", f'transform="rotate(-90 13 {middle})"'))
        return "".join(parts)


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A picture with its title above."""
    drawn = "".join(parts)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">{drawn}</svg></figure>'
    )


def text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    """Words at a place; anchor: which part of them stands there, start, middle or end."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line_chart(field: Field, series: Mapping[int, Sequence[Point]]) -> str:
    """Each series by its index as a line with markers; standard deviations as whiskers."""
    marks = []
    for index, points in series.items():
        places = [field.place(point.x, point.y) for point in points]
        path = "L".join(f"{x} {y}" for x, y in places)
        dashes = DASHES[index // COLOURS % len(DASHES)]
        marks.append(f'<path class="line s{index % COLOURS}" stroke-dasharray="{dashes or "none"}" d="M{path}"/>')
        marks += [_point(field, index, point) for point in points]
    return field.draw(marks)


def scatter_chart(field: Field, series: Mapping[int, Point]) -> str:
    """One point a series."""
    return field.draw(_point(field, index, point) for index, point in series.items())


def _point(field: Field, index: int, point: Point) -> str:
    x, y = field.place(point.x, point.y)
    whisker = ""
    if point.std:
        ends = [field.place(point.x, min(max(v, field.y.low), field.y.high))[1] for v in _around(point)]
        whisker = f'<path class="line s{index % COLOURS}" d="M{x} {ends[0]}V{ends[1]}"/>'
    return f"<g><title>{escape(point.says)}</title>{whisker}{marker(index, x, y)}</g>"


def _around(point: Point) -> tuple[float, float]:
    return point.y - point.std, point.y + point.std


def chart_group(title: str, note: str, charts: Sequence[str], legend: str = "") -> str:
    """Charts side by side under a heading.  legend: HTML."""
    return f"<h3>{title}</h3><p class=note>{escape(note)}</p>{legend}<div class=charts>{''.join(charts)}</div>"


def marker(index: int, x: float, y: float) -> str:
    """The sign of a series, about 9 pixels wide."""
    shapes = (
        "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",  # disc
        "m-4 -4h8v8h-8z",  # square
        "m0 -5.5l5 9h-10z",  # triangle
        "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",  # diamond
        "m0 5.5l5 -9h-10z",  # triangle on its tip
    )
    return f'<path class="mark s{index % COLOURS}" d="M{x} {y}{shapes[index % len(shapes)]}"/>'


def swatch(index: int) -> str:
    """What a series looks like, for a legend or a row of a table."""
    dashes = DASHES[index // COLOURS % len(DASHES)] or "none"
    line = f'<path class="line s{index % COLOURS}" stroke-dasharray="{dashes}" d="M1 7H29"/>'
    return f'<svg aria-hidden="true" width="30" height="14">{line}{marker(index, 15, 7)}</svg>'
