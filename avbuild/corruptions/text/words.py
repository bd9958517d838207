"""Words that are lost, or written twice."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import in_random_order, joined, share, words


@text_corruption(version=1, severities=(0.1, 0.2, 0.3, 0.5, 0.7), within=(0.0, 1.0))
def word_drop(text: str, rate: float, rng: Generator) -> str:
    """Leave out words.

    Args:
        text: in NFC.
        rate: share of the words that is left out; at least one is, and at least one is kept.

    Returns the text in NFC.
    """
    found, gaps = words(text)
    dropped = set(in_random_order(len(found), rng)[: share(rate, len(found), most=len(found) - 1)])
    if not dropped:
        return text
    kept = [place for place in range(len(found)) if place not in dropped]
    between = [gaps[place] for place in kept[1:]]  # the white space before each
    return joined([found[place] for place in kept], [gaps[0], *between, gaps[-1]])


@text_corruption(version=1, severities=(0.05, 0.1, 0.2, 0.3, 0.5), within=(0.0, 1.0))
def word_repeat(text: str, rate: float, rng: Generator) -> str:
    """Write words twice.

    Args:
        text: in NFC.
        rate: share of the words that is repeated; at least one is.

    Returns the text in NFC.
    """
    found, gaps = words(text)
    for place in in_random_order(len(found), rng)[: share(rate, len(found))]:
        found[place] = f"{found[place]} {found[place]}"
    return joined(found, gaps)
