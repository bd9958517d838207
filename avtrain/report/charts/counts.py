"""Charts of shares and counts as inline SVG: reliability, confusion, stacked bars."""

from collections.abc import Mapping, Sequence
from html import escape

from avtrain.evaluation.metrics import Bin
from avtrain.report.charts.lines import COLOURS, Axis, Field, svg, text

SHADES = 8
TENTHS = {tick / 10: f"{10 * tick}" for tick in range(0, 11, 2)}


def reliability_chart(title: str, bins: Sequence[Bin]) -> str:
    """Accuracy against confidence: a calibrated model's bars end on the diagonal; the fuller a bin, the stronger."""
    field = Field(title, Axis("confidence (%)", 0, 1, TENTHS), Axis("accuracy (%)", 0, 1, TENTHS), 260, 260)
    most = max(b.count for b in bins)
    marks = []
    for index, each in enumerate(bins):
        if each.accuracy is None or each.confidence is None:
            continue
        left, top = field.place(index / len(bins), each.accuracy)
        right, bottom = field.place((index + 1) / len(bins), 0.0)
        says = f"confidence {each.confidence:.1%}, accuracy {each.accuracy:.1%}, {each.count:,} predictions"
        x, y = field.place(each.confidence, each.accuracy)
        marks.append(
            f'<g><title>{says}</title><path class="fill s0" fill-opacity="{0.2 + 0.7 * each.count / most:.2f}" '
            f'd="M{left} {bottom}V{top}H{right}V{bottom}z"/><path class="line s1" d="M{x - 4:g} {y}h8"/></g>'
        )
    (x0, y0), (x1, y1) = field.place(0, 0), field.place(1, 1)
    return field.draw([*marks, f'<path class="diagonal" d="M{x0} {y0}L{x1} {y1}"/>'])


def stacked_bars(title: str, bars: Mapping[str, Mapping[str, float]], sets: Sequence[str]) -> str:
    """A bar a name, cut into shares that sum to 1, in the order of `sets`."""
    label = 12 + 7 * max(map(len, bars))
    width, parts = 380, []
    for row, (name, shares) in enumerate(bars.items()):
        y, x = 4 + 28 * row, float(label)
        parts.append(text(label - 6, y + 15, name, "end"))
        for index, part in enumerate(sets):
            length = shares[part] * width
            says = f"{name}: {shares[part]:.1%} from the prompts of {part}"
            inside = f"{part} {100 * shares[part]:.0f} %"
            fits = len(inside) * 7 + 6 < length
            parts.append(
                f'<g><title>{escape(says)}</title><rect class="fill s{index % COLOURS}" x="{x:.1f}" y="{y}" '
                f'width="{length:.1f}" height="22"/>'
                + (text(round(x + length / 2, 1), y + 15, inside, "middle", 'class="over"') if fits else "")
                + "</g>"
            )
            x += length
    return svg(label + width + 10, 8 + 28 * len(bars), title, parts)


def confusion_chart(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """True classes down, predicted across; shaded by the share of the true class; counts where there is room."""
    n = len(classes)
    cell, named = (30, True) if n <= 12 else (15, True) if n <= 30 else (8, False)
    margin = 16 + 6.2 * max(map(len, classes)) if named else 24
    top = margin
    parts = [_shades(counts, cell, margin, top)]
    if named:
        for index, name in enumerate(classes):
            middle = (index + 0.5) * cell
            x, y = margin + middle + 4, top - 5
            parts.append(text(margin - 5, top + middle + 4, name, "end"))
            parts.append(text(x, y, name, "start", f'transform="rotate(-90 {x:g} {y:g})"'))
    if n <= 12:
        for row, line in enumerate(counts):
            for column, count in enumerate(line):
                if count:
                    over = 'class="over"' if count > 0.5 * sum(line) else ""
                    parts.append(
                        text(margin + (column + 0.5) * cell, top + (row + 0.5) * cell + 4, str(count), "middle", over)
                    )
    parts.append(f'<path class="axis" d="M{margin:g} {top:g}h{n * cell}v{n * cell}h{-n * cell}z"/>')
    order = "" if named else ", in the data set's order"
    label = f"predicted class across, true class down{order}"
    parts.append(text(margin + n * cell / 2, top + n * cell + 17, label, "middle"))
    return svg(round(max(margin + n * cell + 10, 300)), round(top + n * cell + 26), title, parts)


def _shades(counts: Sequence[Sequence[int]], cell: int, left: float, top: float) -> str:
    """One path a shade, however many classes there are."""
    cells: dict[int, list[str]] = {}
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                shade = max(1, round(SHADES * count / sum(line)))
                cells.setdefault(shade, []).append(
                    f"M{left + column * cell:g} {top + row * cell:g}h{cell}v{cell}h-{cell}z"
                )
    return "".join(
        f'<path class="fill s0" fill-opacity="{shade / SHADES:.3f}" d="{"".join(drawn)}"/>'
        for shade, drawn in sorted(cells.items())
    )
