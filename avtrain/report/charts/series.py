"""Appearance of a series: its index decides colour, marker and dashes, so that no two series differ by colour alone.

The page has the colours as the classes `s0` to `s6`, in a light and a dark version of its style sheet.
"""

from dataclasses import dataclass

# after Okabe and Ito: Color universal design, 2008; their yellow and sky blue are darkened for a white background
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b5528f", "#a97a00", "#3f94c9", "#555555")
COLOURS = len(LIGHT)
DASHES = ("none", "6 3", "2 3", "8 3 2 3")
MARKERS = (
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",  # disc
    "m-4 -4h8v8h-8z",  # square
    "m0 -5.5l5 9h-10z",  # triangle
    "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",  # diamond
    "m0 5.5l5 -9h-10z",  # triangle pointing down
)


@dataclass(frozen=True)
class SeriesStyle:
    """The look of a series: the index of its colour, marker and dashes, and its name in legends and tooltips."""

    index: int
    name: str


def colour(index: int) -> str:
    """Return the CSS class of a series' colour."""
    return f"s{index % COLOURS}"


def dashes(index: int) -> str:
    """Return the `stroke-dasharray` of a series' line; it changes when the colours have been used up."""
    return DASHES[index // COLOURS % len(DASHES)]


def marker(index: int, x: float, y: float) -> str:
    """Return the SVG of a series' marker, about 9 pixels wide, centred at (x, y)."""
    return f'<path class="mark {colour(index)}" d="M{x} {y}{MARKERS[index % len(MARKERS)]}"/>'


def swatch(index: int) -> str:
    """Return a piece of a series' line with its marker, for a legend or a row of a table."""
    line = f'<path class="line {colour(index)}" stroke-dasharray="{dashes(index)}" d="M1 7H29"/>'
    return f'<svg aria-hidden="true" width="30" height="14">{line}{marker(index, 15, 7)}</svg>'
