"""Letters in the wrong place, lost, or one too many."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import characters, exchange, in_random_order, is_letter, leave_out, share
from avbuild.modalities.text import nfc

RATES = (0.02, 0.05, 0.1, 0.2, 0.3)


@text_corruption(version=1, severities=RATES, within=(0.0, 1.0))
def char_swap(text: str, rate: float, rng: Generator) -> str:
    """Exchange adjacent letters.

    Args:
        text: in NFC.
        rate: share of the letters and digits that move; at least one pair does. No letter moves twice, and equal ones
            are not exchanged.

    Returns the text in NFC.
    """
    found = characters(text)
    letters = [is_letter(character) for character in found]
    pairs = [i for i in range(len(found) - 1) if letters[i] and letters[i + 1] and found[i] != found[i + 1]]
    exchange(found, pairs, share(rate, sum(letters) // 2), rng)
    return nfc("".join(found))


@text_corruption(version=1, severities=RATES, within=(0.0, 1.0))
def char_delete(text: str, rate: float, rng: Generator) -> str:
    """Leave out letters.

    Args:
        text: in NFC.
        rate: share of the letters and digits that is left out; at least one is. The text keeps at least one character
            besides white space.

    Returns the text in NFC.
    """
    return nfc("".join(leave_out(characters(text), is_letter, rate, rng)))


@text_corruption(version=1, severities=RATES, within=(0.0, 1.0))
def char_insert(text: str, rate: float, rng: Generator) -> str:
    """Insert letters that occur in the text.

    Args:
        text: in NFC.
        rate: number of inserted letters, as a share of the letters and digits; at least one. The letters are drawn from
            the text itself, so that they are of its script.

    Returns the text in NFC.
    """
    found = characters(text)
    letters = [place for place, character in enumerate(found) if is_letter(character)]
    drawn = [found[place] for place in letters]
    order, picks = in_random_order(len(letters), rng), rng.random(len(letters))
    for index in order[: share(rate, len(letters))]:
        found[letters[index]] += drawn[int(picks[index] * len(drawn))]
    return nfc("".join(found))
