"""Building blocks of image corruptions: rounding, smooth random fields, resampling, weighted sums."""

from typing import Any

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.draws import normals
from avbuild.corruptions.image.gaussian import side_weights
from avbuild.modalities.base import Pixels

Plane = NDArray[np.float64]  # [H, W]


def to_pixels(values: NDArray[Any]) -> Pixels:
    """Round to whole numbers and clip to 0 to 255.

    Args:
        values: of any shape; an array of floating point is overwritten.

    Returns uint8 of the same shape.
    """
    pixels: Pixels = np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)
    return pixels


def smooth_field(shape: tuple[int, int], sigma: float, rng: Generator) -> Plane:
    """Draw white Gaussian noise of unit variance and blur it with a Gaussian, mirrored at the borders.

    The cosine coefficients that the blur leaves are drawn directly: white noise is white in that basis too, and no
    convolution is needed.

    Args:
        shape: H and W.
        sigma: standard deviation of the blur, pixels.
        rng: generator of the coefficients.

    Returns float64 [H, W].
    """
    rates = [np.pi * np.arange(length) / length for length in shape]
    kept = [rate[: max(1, int(np.searchsorted(rate, 4.0 / max(sigma, 1e-6))))] for rate in rates]
    coefficients = np.zeros(shape)
    drawn = normals((kept[0].size, kept[1].size), rng).astype(np.float64)
    vertical, horizontal = (_transfer(sigma, rate) for rate in kept)
    coefficients[: kept[0].size, : kept[1].size] = drawn * vertical[:, None] * horizontal[None]
    field: Plane = scipy.fft.idctn(coefficients, norm="ortho", overwrite_x=True)
    return field


def _transfer(sigma: float, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each cosine that a Gaussian blur leaves, by its angle per pixel; narrow ones are sampled."""
    if sigma >= 0.9:
        return np.asarray(np.exp(-0.5 * np.square(sigma * rates)))
    sides = np.array(side_weights(sigma)) / 4096
    return np.asarray(1 - 2 * (1 - np.cos(np.outer(rates, 1 + np.arange(sides.size)))) @ sides)


def sample_between(image: Pixels, y: Plane, x: Plane) -> Pixels:
    """Resample an image at positions between its pixels: bilinear, mirrored at the borders.

    The three channels of a pixel are packed into one 64-bit number, 20 bits apart. 8 bits of value and 5 of each weight
    fit, so one multiplication serves all three.

    Args:
        image: uint8 [H, W, 3].
        y: float64 [H, W], rows in pixels, rounded to 1/32.
        x: float64 [H, W], columns in pixels, rounded to 1/32.

    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    wide = image.astype(np.uint64)
    packed = (wide[..., 0] | (wide[..., 1] << np.uint64(20)) | (wide[..., 2] << np.uint64(40))).ravel()
    rows, below = _whole_and_part(y)
    columns, right = _whole_and_part(x)
    top, bottom = _mirror(rows, height) * width, _mirror(rows + 1, height) * width
    first, second = _mirror(columns, width), _mirror(columns + 1, width)
    left, above = np.uint64(32) - right, np.uint64(32) - below
    mixed = (packed.take(top + first) * left + packed.take(top + second) * right) * above
    mixed += (packed.take(bottom + first) * left + packed.take(bottom + second) * right) * below
    mixed += np.uint64(512 | 512 << 20 | 512 << 40)  # one half in each channel, to round
    lanes = [(mixed >> np.uint64(shift)).astype(np.uint8) for shift in (10, 30, 50)]
    return np.stack(lanes, axis=-1)


def _whole_and_part(position: Plane) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """Return the whole part of each position, and the rest in 32nds."""
    fixed = np.rint(position * 32).astype(np.int32)
    return fixed >> 5, (fixed & 31).astype(np.uint64)


def _mirror(index: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """Map indices outside 0 to n - 1 back inside: ... 2 1 0 0 1 2 ... n-1 n-1 n-2 ..."""
    if index.min() >= -length and index.max() < 2 * length:  # one reflection is enough, and faster than a remainder
        mirrored: NDArray[np.int32] = np.maximum(index, ~index)
        return np.minimum(mirrored, 2 * length - 1 - mirrored)
    around = index % (2 * length)
    return np.minimum(around, 2 * length - 1 - around)


def disc_mean(image: NDArray[np.uint16], radius: float) -> Pixels:
    """Replace each pixel by the mean over a disc around it, mirrored at the borders.

    Each row of the disc is a run of pixels, and its sum is put together from runs whose lengths are powers of two: a
    few integer additions per row.

    Args:
        image: uint16 [H, W, 3], values 0 to 255.
        radius: pixels, at least 1; a pixel counts fully if its centre lies within.

    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    reach = int(radius)
    half_widths = [int(np.sqrt(radius * radius - row * row)) for row in range(reach + 1)]
    count = 2 * sum(2 * half + 1 for half in half_widths) - (2 * half_widths[0] + 1)
    around = [_mirror(np.arange(-reach, size + reach, dtype=np.int32), size) for size in (height, width)]
    wide = image.astype(np.uint32 if count > 257 else np.uint16).take(around[0], axis=0).take(around[1], axis=1)
    runs, total = [wide], np.zeros((height, width, 3), wide.dtype)
    for row, half in enumerate(half_widths):
        line = _run(runs, reach - half, 2 * half + 1, width)
        total += line[reach + row : reach + row + height]
        if row:
            total += line[reach - row : reach - row + height]
    return to_pixels(total.astype(np.float32) * np.float32(1 / count))


def _run(runs: list[NDArray[Any]], start: int, length: int, width: int) -> NDArray[Any]:
    """Return the sums of `length` neighbours in a row, for `width` columns from `start` on.

    `runs[k]` holds the sums of 2**k neighbours; missing ones are added.
    """
    total: NDArray[Any] | None = None
    for power in range(length.bit_length()):
        if power >= len(runs):
            half = runs[-1]
            runs.append(half[:, : -(2 ** (power - 1))] + half[:, 2 ** (power - 1) :])
        if length >> power & 1:
            part = runs[power][:, start : start + width]
            total = part.copy() if total is None else np.add(total, part, out=total)
            start += 2**power
    assert total is not None
    return total


def softened(image: Pixels, sigma: float) -> NDArray[np.uint16]:
    """Blur with a Gaussian of three taps along rows and columns, edges extended.

    Args:
        image: uint8 [H, W, 3].
        sigma: standard deviation, pixels.

    Returns uint16 [H, W, 3], values 0 to 255.
    """
    side = round(128 * float(np.exp(-0.5 / sigma**2) / (1 + 2 * np.exp(-0.5 / sigma**2))))
    soft = image.astype(np.uint16)
    for axis in (0, 1) if side else ():
        edged = np.concatenate([soft.take([0], axis), soft, soft.take([-1], axis)], axis)
        before, after = (edged[:-2], edged[2:]) if axis == 0 else (edged[:, :-2], edged[:, 2:])
        soft = (soft * np.uint16(128 - 2 * side) + (before + after) * np.uint16(side) + np.uint16(64)) >> 7
    return soft


def shifted_sum(image: NDArray[Any], offsets: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the weighted sum of shifted copies of an image; edges are extended.

    Args:
        image: integers in 0 to 255, [H, W] or [H, W, 3].
        offsets: int64 [taps, 2], rows and columns.
        weights: float64 [taps], of sum 1.

    Returns int32 of the image's shape: the sum times 2**16.
    """
    whole = np.rint(weights * 65_536).astype(np.int32)
    whole[np.argmax(whole)] += 65_536 - whole.sum()  # the integer weights sum to exactly 1, so white stays white
    least, most = offsets.min(axis=0), offsets.max(axis=0)
    rows, columns = (
        np.arange(min(0, low), size + max(0, high)).clip(0, size - 1)
        for low, high, size in zip(least, most, image.shape[:2], strict=True)
    )
    before = np.maximum(-least, 0)
    wide = image.astype(np.int32).take(rows, axis=0).take(columns, axis=1)
    height, width = image.shape[:2]
    total, scaled = np.zeros(image.shape, np.int32), np.empty(image.shape, np.int32)
    for (row, column), weight in zip(offsets + before, whole, strict=True):
        if weight:
            np.multiply(wide[row : row + height, column : column + width], weight, out=scaled)
            np.add(total, scaled, out=total)
    return total


def from_fixed(total: NDArray[np.int32]) -> Pixels:
    """Divide by 2**16 and round.

    Args:
        total: int32, as `shifted_sum` returns it.

    Returns uint8 of the same shape.
    """
    pixels: Pixels = ((total + 32_768) >> 16).astype(np.uint8)
    return pixels
