"""A text that ends too early."""

from numpy.random import Generator

from avbuild.corruptions.registry import text_corruption
from avbuild.corruptions.text.units import characters


@text_corruption(version=1, severities=(0.9, 0.75, 0.5, 0.25, 0.1), within=(0.0, 1.0))
def truncation(text: str, kept: float, rng: Generator) -> str:
    """Keep the beginning only.

    Args:
        text: in NFC.
        kept: share of the characters that is kept, besides white space at both ends; at least one is.

    Returns the text in NFC.  Deterministic: `rng` is not used.
    """
    core = text.strip()
    found = characters(core)
    count = max(1, round(kept * len(found)))
    if count >= len(found):
        return text
    return text[: text.index(core)] + "".join(found[:count]).rstrip()
