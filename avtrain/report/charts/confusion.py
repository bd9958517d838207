"""Confusion matrices."""

from collections.abc import Sequence

from avtrain.report.charts.svg import figure, text

SHADES = 8
MOST_CLASSES_WITH_COUNTS = 12  # with more, counts do not fit into the cells
MOST_CLASSES_WITH_NAMES = 30  # with more, names do not fit beside the cells


def confusion_chart(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return a confusion matrix, each cell shaded by its share of the true class.

    Args:
        title: caption; plain text.
        classes: names; written where there is room.
        counts: [true class][predicted class]; written where there is room.
    """
    n = len(classes)
    named = n <= MOST_CLASSES_WITH_NAMES
    cell = 30 if n <= MOST_CLASSES_WITH_COUNTS else 15 if named else 8
    margin = 16 + 6.2 * max(map(len, classes)) if named else 24
    elements = [_shades(counts, cell, margin)]
    if named:
        elements += _class_names(classes, cell, margin)
    if n <= MOST_CLASSES_WITH_COUNTS:
        elements += _counts(counts, cell, margin)
    elements.append(f'<path class="axis" d="M{margin:g} {margin:g}h{n * cell}v{n * cell}h{-n * cell}z"/>')
    order = "" if named else ", in the data set's order"
    label = f"predicted class across, true class down{order}"
    elements.append(text(margin + n * cell / 2, margin + n * cell + 17, label, "middle"))
    return figure(round(max(margin + n * cell + 10, 300)), round(margin + n * cell + 26), title, elements)


def _class_names(classes: Sequence[str], cell: int, margin: float) -> list[str]:
    elements = []
    for index, name in enumerate(classes):
        middle = (index + 0.5) * cell
        x, y = margin + middle + 4, margin - 5
        elements.append(text(margin - 5, margin + middle + 4, name, "end"))
        elements.append(text(x, y, name, "start", f'transform="rotate(-90 {x:g} {y:g})"'))
    return elements


def _counts(counts: Sequence[Sequence[int]], cell: int, margin: float) -> list[str]:
    elements = []
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                x, y = margin + (column + 0.5) * cell, margin + (row + 0.5) * cell + 4
                on_dark = count > 0.5 * sum(line)
                elements.append(text(x, y, str(count), "middle", 'class="over"' if on_dark else ""))
    return elements


def _shades(counts: Sequence[Sequence[int]], cell: int, margin: float) -> str:
    """Return the shaded cells as one path a shade, so that many classes stay a small drawing."""
    squares: dict[int, list[str]] = {}
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                shade = max(1, round(SHADES * count / sum(line)))
                squares.setdefault(shade, []).append(
                    f"M{margin + column * cell:g} {margin + row * cell:g}h{cell}v{cell}h-{cell}z"
                )
    return "".join(
        f'<path class="fill s0" fill-opacity="{shade / SHADES:.3f}" d="{"".join(drawn)}"/>'
        for shade, drawn in sorted(squares.items())
    )
