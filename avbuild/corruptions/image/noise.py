"""Pixel noise: Gaussian, speckle, impulse, shot."""

import functools

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.draws import bits16, normals, quantiles
from avbuild.corruptions.image.sampling import to_pixels
from avbuild.corruptions.registry import image_corruption
from avbuild.modalities.base import Pixels


@image_corruption(
    version=2,
    severities=(0.08, 0.12, 0.18, 0.26, 0.38),
    small=(0.04, 0.06, 0.08, 0.09, 0.10),
    within=(0.0, 10.0),
)
def gaussian_noise(image: Pixels, std: float, rng: Generator) -> Pixels:
    """Add white Gaussian noise to every pixel and channel.

    Args:
        image: uint8 [H, W, 3].
        std: standard deviation, where the range from black to white is 1.

    Returns uint8 [H, W, 3].
    """
    # pixels are whole numbers, so rounding the noise before adding it changes nothing: one table does both
    noisy = _whole_noise(std).take(bits16(image.shape, rng))
    noisy += image
    return noisy.clip(0, 255, out=noisy).astype(np.uint8)


@functools.lru_cache(maxsize=16)
def _whole_noise(std: float) -> NDArray[np.int16]:
    """Return the noise for each of 65,536 equally likely draws, in whole pixel values."""
    return np.rint(quantiles() * (255 * std)).clip(-32_000, 32_000).astype(np.int16)


@image_corruption(
    version=1,
    severities=(0.15, 0.2, 0.35, 0.45, 0.6),
    small=(0.06, 0.1, 0.12, 0.16, 0.2),
    within=(0.0, 10.0),
)
def speckle_noise(image: Pixels, std: float, rng: Generator) -> Pixels:
    """Multiply every pixel and channel by a random factor around 1 (speckle noise).

    Args:
        image: uint8 [H, W, 3].
        std: standard deviation of the factor.

    Returns uint8 [H, W, 3].
    """
    factor = normals(image.shape, rng)
    factor *= np.float32(std)
    factor += np.float32(1.0)
    factor *= image
    return to_pixels(factor)


@image_corruption(
    version=1,
    severities=(0.03, 0.06, 0.09, 0.17, 0.27),
    small=(0.01, 0.02, 0.03, 0.05, 0.07),
    within=(0.0, 1.0),
)
def impulse_noise(image: Pixels, amount: float, rng: Generator) -> Pixels:
    """Set random values to black or white (salt-and-pepper noise).

    Args:
        image: uint8 [H, W, 3].
        amount: share of all values that is replaced, 0 to 1; half of it by black, half by white.

    Returns uint8 [H, W, 3].
    """
    drawn = bits16(image.shape, rng)
    half = round(amount * 2**15)
    noisy: Pixels = np.where(drawn < half, np.uint8(255), image)
    noisy *= drawn < 2**16 - half
    return noisy


@image_corruption(
    version=1,
    severities=(60.0, 25.0, 12.0, 5.0, 3.0),
    small=(500.0, 250.0, 100.0, 75.0, 50.0),
    within=(1.0, 2000.0),
)
def shot_noise(image: Pixels, photons: float, rng: Generator) -> Pixels:
    """Replace each value by a Poisson photon count, as in low light.

    Args:
        image: uint8 [H, W, 3].
        photons: mean count where the image is white.

    Returns uint8 [H, W, 3].
    """
    # one 32-bit number per value: its high bits choose a column of Walker's alias table, the rest decide whether the
    # column's own count is kept or replaced by its alias
    keep, own, other, bits = _poisson_tables(float(photons))
    drawn = rng.integers(0, 2**32, image.shape, dtype=np.uint32)
    column = drawn >> np.uint32(32 - bits)
    cell = (image.astype(np.uint32) << np.uint32(bits)) | column
    kept = (drawn & np.uint32(2 ** (32 - bits) - 1)) < keep[cell]
    noisy: Pixels = np.where(kept, own[column], other[cell])
    return noisy


@functools.lru_cache(maxsize=10)
def _poisson_tables(photons: float) -> tuple[NDArray[np.uint32], Pixels, Pixels, int]:
    """Return alias tables of the 256 Poisson distributions that pixel values stand for (Walker 1977; Vose 1991).

    Returns thresholds [256 * columns], the pixel value of each column [columns], its alias [256 * columns], and the
    base-2 logarithm of columns.
    """
    bits = max(4, int(np.ceil(np.log2(photons + 12 * np.sqrt(photons) + 12))))
    columns = 2**bits
    counts = np.arange(columns)
    rates = photons * np.arange(256)[:, None] / 255
    # probabilities by the recurrence p[k] = p[k - 1] * rate / k, computed in the log domain
    steps = np.log(np.maximum(rates, 1e-300)) - np.log(np.maximum(counts, 1))
    steps[:, 0] = -rates[:, 0]
    distributions = np.exp(np.cumsum(steps, axis=1))
    distributions /= distributions.sum(axis=1, keepdims=True)
    pixels = np.minimum(np.rint(counts * 255 / photons), 255).astype(np.uint8)
    keep, other = np.empty((256, columns), np.uint32), np.empty((256, columns), np.uint8)
    for value, distribution in enumerate(distributions):
        threshold, alias = _alias_table(distribution * columns)
        keep[value] = np.rint(threshold * 2 ** (32 - bits))
        other[value] = pixels[alias]
    return keep.ravel(), pixels, other.ravel(), bits


def _alias_table(scaled: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return thresholds in 0 to 1 and aliases for a distribution given as probability times number of columns."""
    rest = scaled.tolist()
    alias = list(range(len(rest)))
    threshold = [1.0] * len(rest)
    small = [k for k, p in enumerate(rest) if p < 1]
    large = [k for k, p in enumerate(rest) if p >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        threshold[low], alias[low] = rest[low], high
        rest[high] -= 1 - rest[low]
        if rest[high] < 1:
            small.append(large.pop())
    return np.array(threshold), np.array(alias)
