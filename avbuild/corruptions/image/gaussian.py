"""Gaussian blur."""

import functools

import numpy as np
from PIL import Image, ImageFilter

from avbuild.modalities.base import Pixels


def gaussian(image: Pixels, sigma: float) -> Pixels:
    """Blur with a Gaussian; edges are extended.

    Args:
        image: uint8 [H, W] or [H, W, 3].
        sigma: standard deviation, pixels.

    Returns uint8 of the image's shape.
    """
    if sigma >= 1.0:
        # Pillow's blur is integer arithmetic (repeated box blurs), so it gives the same bytes on every processor
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma)))
    # a Gaussian sampled at whole pixels has a smaller variance than the continuous one, which box blurs follow: by half
    # at 0.4 pixels. The benchmarks and other libraries use the sampled one.
    sides = side_weights(sigma)
    total = image.astype(np.uint32)
    for axis in (0, 1) if sides else ():
        length, reach = image.shape[axis], len(sides)
        wide = total.take(np.arange(-reach, length + reach).clip(0, length - 1), axis)
        total *= np.uint32(4096 - 2 * sum(sides))
        for step, weight in enumerate(sides, 1):
            before = wide[(slice(None),) * axis + (slice(reach - step, reach - step + length),)]
            after = wide[(slice(None),) * axis + (slice(reach + step, reach + step + length),)]
            pair = before + after
            pair *= np.uint32(weight)
            total += pair
    if sides:  # 8 bits of value and 12 of each pass: the sum and its rounding fit into 32
        total += np.uint32(1 << 23)
        total >>= np.uint32(24)
    return total.astype(np.uint8)


@functools.lru_cache(maxsize=32)
def side_weights(sigma: float) -> tuple[int, ...]:
    """Return the weights of a sampled Gaussian at distance 1, 2, ... in 4096ths, as far as they are not zero.

    Args:
        sigma: standard deviation, pixels.
    """
    if sigma <= 0:
        return ()
    steps = np.arange(int(4 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * np.square(steps / sigma))
    whole = np.rint(4096 * weights / (2 * weights.sum() - 1)).astype(int)
    return tuple(int(weight) for weight in whole[1:] if weight)
