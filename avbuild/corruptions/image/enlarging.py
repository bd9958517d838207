"""The part of an image that a zoom enlarges."""

from typing import NamedTuple

import numpy as np


class Cut(NamedTuple):
    """A stretch of whole pixels, and the part of it that is enlarged, in pixels from its outer edge."""

    length: int
    start: float
    end: float


def cut_to_enlarge(length: int, factor: float) -> Cut:
    """Return how many pixels of a side are enlarged to the whole side, as CIFAR-10-C and ImageNet-C choose them.

    Both cut out a whole number of pixels, enlarge it so that the first and last pixel stay the first and last, and trim
    what is too long. For small images this is a weaker zoom than the factor says.

    Args:
        length: of the side, pixels.
        factor: of the zoom, at least 1.
    """
    cut = int(np.ceil(length / factor))
    enlarged = round(cut * factor)
    step = (cut - 1) / (enlarged - 1) if cut > 1 else 1 / enlarged
    start = (enlarged - length) // 2 * step + (1 - step) / 2
    return Cut(cut, start, min(start + length * step, float(cut)))
