"""The units that corruptions of texts act on: characters as a reader sees them, and words; and which to take."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from numpy.random import Generator

JOINER = "\u200d"  # between the parts of one emoji
SKIN_TONES = range(0x1F3FB, 0x1F400)
FLAG_LETTERS = range(0x1F1E6, 0x1F200)  # two of them are a flag
TAGS = range(0xE0020, 0xE0080)  # letters of a regional flag


def characters(text: str) -> list[str]:
    """Split a text into characters as a reader sees them: a letter with its marks, an emoji with its parts, a flag.

    >>> characters("a👍🏽b")
    ['a', '👍🏽', 'b']

    Args:
        text: to split.

    Returns the characters, which joined are the text.
    """
    if text.isascii() and "\r" not in text:
        return list(text)
    found: list[str] = []
    for character in text:
        if found and _continues(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _continues(before: str, character: str) -> bool:
    """Whether a code point belongs to the character before it."""
    if before[-1] == JOINER:  # what it joins follows it
        return unicodedata.category(character)[0] in "LMNS"
    if extends(character):
        return True
    if ord(character) in FLAG_LETTERS:
        return len(before) == 1 and ord(before) in FLAG_LETTERS
    return before == "\r" and character == "\n"


def extends(character: str) -> bool:
    """Whether a code point never stands alone: a combining mark, a joiner, a skin tone or a tag."""
    code = ord(character)
    if code < 0x300:
        return False
    return unicodedata.category(character)[0] == "M" or character == JOINER or code in SKIN_TONES or code in TAGS


def words(text: str) -> tuple[list[str], list[str]]:
    """Split a text at its white space.

    >>> words(" two  words")
    (['two', 'words'], [' ', '  ', ''])

    Args:
        text: to split.

    Returns the words, and the white space before, between and after them: one piece more than there are words.  A mark
    at the beginning of the text, which has no letter, counts as white space.
    """
    start = next((place for place, character in enumerate(text) if not extends(character)), len(text))
    marks, text = text[:start], text[start:]
    parts = re.split(r"(\s+)", text)
    if not text.isascii() and any(part and extends(part[0]) for part in parts[2::2]):
        parts = _joined_parts(text)  # a mark on a space is not the beginning of a word
    gaps, found = [marks], list[str]()
    for part in parts:
        if not part:
            continue
        if part.isspace():
            gaps[-1] += part
        else:
            found.append(part)
            gaps.append("")
    return found, gaps


def _joined_parts(text: str) -> list[str]:
    """Split a text into words and white space, where a space with a mark on it counts as a part of a word."""
    parts: list[str] = []
    for character in characters(text):
        if parts and parts[-1].isspace() == character.isspace():
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def joined(found: Sequence[str], gaps: Sequence[str]) -> str:
    """Return the text of these words and this white space; undoes `words`."""
    return gaps[0] + "".join(word + gap for word, gap in zip(found, gaps[1:], strict=True))


def share(rate: float, count: int, most: int | None = None) -> int:
    """Return how many of some units an op changes: its rate of them, at least one where the rate is not 0.

    Args:
        rate: 0 to 1.
        count: of the units that it can act on.
        most: that may change; all of them where not given.
    """
    wanted = max(1, round(rate * count)) if rate > 0 else 0
    return max(0, min(wanted, count if most is None else most))


def in_random_order(count: int, rng: Generator) -> list[int]:
    """Return 0 to count - 1 in a random order, whose beginning is the same for every number of units taken."""
    order: list[int] = rng.permutation(count).tolist()
    return order


def is_letter(character: str) -> bool:
    """Whether a character, with its marks, is a letter or a digit."""
    return unicodedata.category(character[0])[0] in "LN"


def exchange(units: list[str], pairs: Sequence[int], count: int, rng: Generator) -> None:
    """Exchange some units with the one after them, in place; none is moved twice.

    Args:
        units: characters or words.
        pairs: places of the first of two units that may be exchanged.
        count: of the pairs to exchange, where so many do not overlap.
        rng: draws the pairs.
    """
    moved: set[int] = set()
    for index in in_random_order(len(pairs), rng):
        if count <= 0:
            return
        place = pairs[index]
        if place not in moved and place + 1 not in moved:
            units[place], units[place + 1] = units[place + 1], units[place]
            moved |= {place, place + 1}
            count -= 1


def leave_out(found: Sequence[str], which: Callable[[str], bool], rate: float, rng: Generator) -> list[str]:
    """Leave out a share of some characters, but never all that can be seen.

    Args:
        found: characters of a text.
        which: whether a character may be left out.
        rate: share of these that is left out; at least one is.
        rng: decides which.
    """
    places = [place for place, character in enumerate(found) if which(character)]
    visible = sum(not character.isspace() for character in found)
    gone = {places[i] for i in in_random_order(len(places), rng)[: share(rate, len(places), most=visible - 1)]}
    return [character for place, character in enumerate(found) if place not in gone]
