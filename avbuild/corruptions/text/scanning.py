"""A scanned page whose letters were taken for others."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import characters, in_random_order, share
from avbuild.modalities.text import nfc

BOTH_WAYS = (
    ("0", "O"), ("0", "o"), ("1", "l"), ("1", "I"), ("l", "I"), ("5", "S"), ("5", "s"), ("8", "B"), ("2", "Z"),
    ("6", "b"), ("9", "g"), ("g", "q"), ("e", "c"), ("a", "o"), ("h", "b"), ("n", "u"), ("v", "y"), ("f", "t"),
    ("i", "l"), ("E", "F"), ("C", "G"), ("D", "O"), ("U", "V"), ("P", "R"), (".", ","), (":", ";"), ("!", "1"),
    ("rn", "m"), ("cl", "d"), ("vv", "w"), ("VV", "W"), ("ri", "n"), ("li", "h"), ("nn", "m"),
)  # fmt: skip
LOST_MARKS = "áàâäåãa éèêëe íìîïi óòôöõo úùûüu çc ñn ýÿy ÁÀÂÄÅÃA ÉÈÊËE ÍÌÎÏI ÓÒÔÖÕO ÚÙÛÜU ÇC ÑN ÝY"


def _look_alikes() -> dict[str, tuple[str, ...]]:
    """Return what each letter, or pair of letters, is taken for."""
    found: dict[str, tuple[str, ...]] = {}
    for one, other in BOTH_WAYS:
        found[one] = (*found.get(one, ()), other)
        found[other] = (*found.get(other, ()), one)
    for group in LOST_MARKS.split():
        found |= dict.fromkeys(group[:-1], (group[-1],))
    return found


LOOK_ALIKES = _look_alikes()


@text_corruption(version=1, severities=(0.02, 0.05, 0.1, 0.2, 0.3), within=(0.0, 1.0))
def ocr(text: str, rate: float, rng: Generator) -> str:
    """Replace letters by those that a scanner takes them for: rn for m, 0 for O, c for e.

    Args:
        text: in NFC.
        rate: share of the letters, digits and pairs of letters with a look-alike that is replaced; at least one is.

    Returns the text in NFC; scripts without look-alikes in the table stay as they are.
    """
    found = characters(text)
    places: list[tuple[int, int]] = []  # of what has a look-alike: its first character, and how many it is
    place = 0
    while place < len(found):
        pair = "".join(found[place : place + 2])
        length = 2 if pair in LOOK_ALIKES else 1
        if length == 2 or found[place] in LOOK_ALIKES:
            places.append((place, length))
        place += length
    order, picks = in_random_order(len(places), rng), rng.random(len(places))
    for index in order[: share(rate, len(places))]:
        start, length = places[index]
        taken_for = LOOK_ALIKES["".join(found[start : start + length])]
        found[start : start + length] = [taken_for[int(picks[index] * len(taken_for))], *[""] * (length - 1)]
    return nfc("".join(found))
