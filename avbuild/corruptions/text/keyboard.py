"""Typing errors: a key is hit beside the one that was meant."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import characters, in_random_order, share
from avbuild.modalities.text import nfc

ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")  # QWERTY; each row lies half a key right of the one above


def _neighbours() -> dict[str, str]:
    """Return the keys around each key: beside it, above it and below it."""
    keys = {(row, column): key for row, line in enumerate(ROWS) for column, key in enumerate(line)}
    around = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))
    found = {
        key: "".join(keys[row + down, column + right] for down, right in around if (row + down, column + right) in keys)
        for (row, column), key in keys.items()
    }
    return found | {key.upper(): near.upper() for key, near in found.items() if key.isalpha()}


NEIGHBOURS = _neighbours()


@text_corruption(version=1, severities=(0.02, 0.05, 0.1, 0.2, 0.3), within=(0.0, 1.0))
def typos(text: str, rate: float, rng: Generator) -> str:
    """Replace letters and digits by a neighbouring key.

    Args:
        text: in NFC.
        rate: share of the letters a to z and of the digits that is replaced; at least one is. Case is kept.

    Returns the text in NFC; other scripts have other keyboards and stay as they are.
    """
    found = characters(text)
    keys = [place for place, character in enumerate(found) if character in NEIGHBOURS]
    order, picks = in_random_order(len(keys), rng), rng.random(len(keys))
    for index in order[: share(rate, len(keys))]:
        near = NEIGHBOURS[found[keys[index]]]
        found[keys[index]] = near[int(picks[index] * len(near))]
    return nfc("".join(found))
