"""Compare a corrupted text with the clean one, to mark what changed. Long texts are shortened where they are shown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from avbuild.corruptions.text.units import characters

MOST = 300  # characters of a text that are shown
MOST_LOST = 60  # of a piece that is no longer there
LOOKED_AT = 4  # times as many of the clean text are compared: a corrupted text may have lost that much


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of a text, and whether the clean text has it too; `lost` is a piece of the clean text alone."""

    kind: Literal["same", "changed", "lost"]
    text: str


@dataclass(frozen=True, slots=True)
class ShownText:
    """The part of a text that is shown."""

    pieces: tuple[TextPiece, ...]
    note: str  # how much of it is shown; empty where that is all


def shown_text(text: str, clean: str | None = None) -> ShownText:
    """Return the pieces of a text to show, at most its first 300 characters.

    Args:
        text: to show.
        clean: text to compare it with; None: nothing is marked.
    """
    found = characters(text)
    cut = len(found) > MOST
    note = f"first {MOST:,} of {len(found):,} characters" if cut else ""
    beginning = found[:MOST]
    if clean is None or clean == text:
        return ShownText((TextPiece("same", "".join(beginning)),) if beginning else (), note)
    pieces = [*_pieces(characters(clean)[: LOOKED_AT * MOST], beginning)]
    if cut and pieces and pieces[-1].kind == "lost":  # it may stand in the part that is not shown
        pieces.pop()
    return ShownText(tuple(_shortened(piece) for piece in pieces), note)


def _pieces(clean: Sequence[str], text: Sequence[str]) -> Iterator[TextPiece]:
    """Compare word by word, and letter by letter inside words that differ."""
    before, after = ("".join(units) for units in (clean, text))
    for kind, one, other in _compared(re.findall(r"\s+|\S+", before), re.findall(r"\s+|\S+", after)):
        if kind == "replace":
            for inner, lost, new in _compared(characters("".join(one)), characters("".join(other))):
                yield from _as_pieces(inner, lost, new)
        else:
            yield from _as_pieces(kind, one, other)


def _compared(one: list[str], other: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    for kind, start, end, new_start, new_end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        yield kind, one[start:end], other[new_start:new_end]


def _as_pieces(kind: str, lost: Sequence[str], new: Sequence[str]) -> Iterator[TextPiece]:
    if kind == "equal":
        yield TextPiece("same", "".join(new))
        return
    if lost:
        yield TextPiece("lost", "".join(lost))
    if new:
        yield TextPiece("changed", "".join(new))


def _shortened(piece: TextPiece) -> TextPiece:
    found = characters(piece.text)
    if piece.kind != "lost" or len(found) <= MOST_LOST:
        return piece
    return TextPiece("lost", "".join(found[:MOST_LOST]) + "\u2026")
