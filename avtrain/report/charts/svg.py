"""SVG elements that every chart uses: the figure, and text in it."""

from collections.abc import Iterable
from html import escape
from typing import Literal


def figure(width: float, height: float, title: str, elements: Iterable[str]) -> str:
    """Return an HTML figure: a caption above an SVG.

    Args:
        width: pixels.
        height: pixels.
        title: caption, and what a screen reader says; plain text.
        elements: SVG, drawn in this order.
    """
    drawn = "".join(elements)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">{drawn}</svg></figure>'
    )


def text(x: float, y: float, content: str, anchor: Literal["start", "middle", "end"], attributes: str = "") -> str:
    """Return an SVG text.

    Args:
        x: pixels from the left, of the part of the text that `anchor` names.
        y: pixels from the top, of the baseline.
        content: plain text.
        anchor: the part of the text that stands at x.
        attributes: more attributes of the element, as SVG.
    """
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {attributes}>{escape(content)}</text>'
