"""Capitals in the wrong places."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import characters, in_random_order, share
from avbuild.modalities.text import nfc


@text_corruption(version=1, severities=(0.05, 0.1, 0.2, 0.35, 0.5), within=(0.0, 1.0))
def case(text: str, rate: float, rng: Generator) -> str:
    """Turn small letters into capitals, and capitals into small letters.

    Args:
        text: in NFC.
        rate: share of the letters with another case that is turned; at least one is. A letter whose other case is
            several letters, such as the German sharp s, stays as it is.

    Returns the text in NFC.
    """
    found = characters(text)
    places = [place for place, character in enumerate(found) if _turned(character) != character]
    for index in in_random_order(len(places), rng)[: share(rate, len(places))]:
        found[places[index]] = _turned(found[places[index]])
    return nfc("".join(found))


def _turned(character: str) -> str:
    """Return a character in its other case, or itself where it has none that is one character."""
    turned = character.swapcase()
    return turned if len(turned) == 1 or len(characters(turned)) == 1 else character
