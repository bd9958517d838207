"""What several picture corruptions are made of: rounding, smooth random fields, sampling between pixels, sums."""

from typing import Any

import numpy as np
import scipy.fft
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.registry import Pixels

Plane = NDArray[np.float64]  # [H, W]


def to_pixels(values: NDArray[Any]) -> Pixels:
    """0 to 255, rounded; what lies outside is clipped.  Overwrites a floating-point input."""
    pixels: Pixels = np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)
    return pixels


def smooth_field(shape: tuple[int, int], sigma: float, rng: Generator) -> Plane:
    """White Gaussian noise of unit variance after a Gaussian blur, mirrored at the borders.  sigma: pixels.

    Drawn as the cosine coefficients that the blur leaves: noise is white there too, so no pixel is drawn and no
    convolution done.
    """
    rates = [np.pi * np.arange(length) / length for length in shape]
    kept = [rate[: max(1, int(np.searchsorted(rate, 4.0 / max(sigma, 1e-6))))] for rate in rates]
    coefficients = np.zeros(shape)
    drawn = rng.standard_normal((kept[0].size, kept[1].size))
    vertical, horizontal = (np.exp(-0.5 * np.square(sigma * rate)) for rate in kept)
    coefficients[: kept[0].size, : kept[1].size] = drawn * vertical[:, None] * horizontal[None]
    field: Plane = scipy.fft.idctn(coefficients, norm="ortho", overwrite_x=True)
    return field


def sample_between(image: Pixels, y: Plane, x: Plane) -> Pixels:
    """The picture at positions between its pixels, bilinear, mirrored beyond the borders.

    y, x: [H, W] in pixels.  Fixed-point: positions are rounded to 1/1024 of a pixel.
    """
    height, width = image.shape[:2]
    rows, row_weight = _whole_and_part(y)
    columns, column_weight = _whole_and_part(x)
    top, bottom = _mirror(rows, height) * width, _mirror(rows + 1, height) * width
    left, right = _mirror(columns, width), _mirror(columns + 1, width)
    pixels = image.reshape(-1, 3).astype(np.int32)
    upper = _between(pixels[top + left], pixels[top + right], column_weight)
    lower = _between(pixels[bottom + left], pixels[bottom + right], column_weight)
    mixed = (upper << 10) + (lower - upper) * row_weight[..., None]
    result: Pixels = ((mixed + (1 << 19)) >> 20).astype(np.uint8)
    return result


def _whole_and_part(position: Plane) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    fixed = np.rint(position * 1024).astype(np.int32)
    return fixed >> 10, fixed & 1023


def _mirror(index: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """... 2 1 0 0 1 2 ... n-1 n-1 n-2 ..."""
    around = index % (2 * length)
    mirrored: NDArray[np.int32] = np.minimum(around, 2 * length - 1 - around)
    return mirrored


def _between(first: NDArray[np.int32], second: NDArray[np.int32], weight: NDArray[np.int32]) -> NDArray[np.int32]:
    return (first << 10) + (second - first) * weight[..., None]


def shifted_sum(image: NDArray[Any], offsets: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int32]:
    """Sum of copies of a picture, each moved and weighted; edges are extended.

    image: integers in 0 to 255, [H, W] or [H, W, 3].  offsets: [taps, 2], rows and columns.  weights: [taps], summing
    to 1.  Returns the sum as integers, times 2**16.
    """
    whole = np.rint(weights * 65_536).astype(np.int32)
    whole[np.argmax(whole)] += 65_536 - whole.sum()  # a white picture stays white
    before, after = np.maximum(-offsets.min(axis=0), 0), np.maximum(offsets.max(axis=0), 0)
    borders = [(int(a), int(b)) for a, b in zip(before, after, strict=True)] + [(0, 0)] * (image.ndim - 2)
    wide = np.pad(image.astype(np.int32), borders, mode="edge")
    height, width = image.shape[:2]
    total, scaled = np.zeros(image.shape, np.int32), np.empty(image.shape, np.int32)
    for (row, column), weight in zip(offsets + before, whole, strict=True):
        if weight:
            np.multiply(wide[row : row + height, column : column + width], weight, out=scaled)
            np.add(total, scaled, out=total)
    return total


def from_fixed(total: NDArray[np.int32]) -> Pixels:
    """Integers times 2**16 to pixels, rounded."""
    pixels: Pixels = ((total + 32_768) >> 16).astype(np.uint8)
    return pixels
