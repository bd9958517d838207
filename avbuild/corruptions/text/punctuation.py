"""Punctuation that is left out."""

import unicodedata

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import characters, leave_out
from avbuild.modalities.text import nfc


@text_corruption(version=1, severities=(0.2, 0.4, 0.6, 0.8, 1.0), within=(0.0, 1.0))
def punctuation_removal(text: str, rate: float, rng: Generator) -> str:
    """Leave out punctuation.

    Args:
        text: in NFC.
        rate: share of the punctuation marks that is left out; at least one is. Of a text that is nothing else, one
            stays.

    Returns the text in NFC.
    """
    return nfc("".join(leave_out(characters(text), _is_punctuation, rate, rng)))


def _is_punctuation(character: str) -> bool:
    """Whether a character is punctuation alone, not the base of an emoji such as a keycap."""
    return len(character) == 1 and unicodedata.category(character)[0] == "P"
