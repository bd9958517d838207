"""Words in another order. The words stay the same, and so does the white space."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import exchange, joined, share, words


@text_corruption(version=1, severities=(0.1, 0.2, 0.4, 0.6, 0.8), within=(0.0, 1.0))
def word_swap(text: str, rate: float, rng: Generator) -> str:
    """Exchange adjacent words.

    Args:
        text: in NFC.
        rate: share of the words that move; at least one pair does. No word moves twice, and equal ones are not
            exchanged.

    Returns the text in NFC.
    """
    found, gaps = words(text)
    pairs = [place for place in range(len(found) - 1) if found[place] != found[place + 1]]
    exchange(found, pairs, share(rate, len(found) // 2), rng)
    return joined(found, gaps)


@text_corruption(version=1, severities=(2.0, 3.0, 4.0, 6.0, 10.0), within=(1.0, 1000.0))
def word_shuffle(text: str, window: float, rng: Generator) -> str:
    """Shuffle the words inside each window of the text.

    Args:
        text: in NFC.
        window: number of words in a window, a whole number; the first window is shorter by a number drawn at random.
            No word moves by this number of places or more.

    Returns the text in NFC.
    """
    found, gaps = words(text)
    size = int(window)
    start = -int(rng.integers(size))
    while start < len(found):
        members = found[max(0, start) : start + size]
        order = rng.permutation(len(members))
        found[max(0, start) : start + size] = [members[place] for place in order]
        start += size
    return joined(found, gaps)
