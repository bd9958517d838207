"""Blur: Gaussian, box, defocus, motion, zoom, glass."""

import functools

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from avbuild.corruptions.draws import bits16
from avbuild.corruptions.image.enlarging import cut_to_enlarge
from avbuild.corruptions.image.gaussian import gaussian
from avbuild.corruptions.image.sampling import disc_mean, from_fixed, shifted_sum, softened
from avbuild.corruptions.registry import image_corruption
from avbuild.modalities.base import Pixels


@image_corruption(
    version=2,
    severities=(1.0, 2.0, 3.0, 4.0, 6.0),
    small=(0.4, 0.6, 0.7, 0.8, 1.0),
    within=(0.0, 100.0),
)
def gaussian_blur(image: Pixels, sigma: float, rng: Generator) -> Pixels:
    """Apply a Gaussian blur.

    Args:
        image: uint8 [H, W, 3].
        sigma: standard deviation, pixels.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    return gaussian(image, sigma)


@image_corruption(
    version=1,
    severities=(2.0, 4.0, 7.0, 11.0, 16.0),
    small=(0.5, 0.75, 1.0, 1.5, 2.0),
    within=(0.0, 1000.0),
)
def box_blur(image: Pixels, radius: float, rng: Generator) -> Pixels:
    """Replace each pixel by the mean of the square around it.

    Args:
        image: uint8 [H, W, 3].
        radius: pixels; the side of the square is 2 radius + 1.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    return np.asarray(Image.fromarray(image).filter(ImageFilter.BoxBlur(radius)))


@image_corruption(
    version=2,
    severities=((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
    small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
    within=((0.1, 100.0), (0.01, 1.0)),
)
def defocus_blur(image: Pixels, radius: float, soften: float, rng: Generator) -> Pixels:
    """Blur with a disc, as a lens out of focus does.

    Args:
        image: uint8 [H, W, 3].
        radius: of the disc, pixels.
        soften: standard deviation of the Gaussian that softens the edge of the disc, pixels.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    if radius >= 2:
        return disc_mean(softened(image, soften), radius)
    kernel = _disc(radius, soften)
    reach = kernel.shape[0] // 2
    # mirrored at the outermost pixels, as in CIFAR-10-C: at 32 px the border is a large part of the image
    rows, columns = (_mirrored(length, reach) for length in image.shape[:2])
    wide = shifted_sum(image.take(rows, 0).take(columns, 1), np.argwhere(kernel > 0) - reach, kernel[kernel > 0])
    return from_fixed(wide[reach:-reach, reach:-reach])


def _mirrored(length: int, reach: int) -> NDArray[np.int64]:
    """Return the indices of a side and of `reach` more on both ends: 2 1 0 1 2 ... n-2 n-1 n-2 n-3."""
    last = length - 1
    return np.asarray(last - np.abs(last - np.abs(np.arange(-reach, length + reach)))).clip(0, last)


@functools.lru_cache(maxsize=32)
def _disc(radius: float, soften: float) -> NDArray[np.float64]:
    """Return a square kernel of odd side and sum 1."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.float64)
    side = np.exp(-0.5 / soften**2)
    for axis in (0, 1):
        disc = np.apply_along_axis(np.convolve, axis, disc, np.array([side, 1.0, side]), "same")
    return np.asarray(disc / disc.sum())


@image_corruption(
    version=1,
    severities=((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
    small=((6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)),
    within=((0.0, 200.0), (0.01, 200.0)),
)
def motion_blur(image: Pixels, radius: float, sigma: float, rng: Generator) -> Pixels:
    """Blur along a line at a random angle within 45 degrees of horizontal, as a moving camera does.

    Args:
        image: uint8 [H, W, 3].
        radius: half the length of the line, pixels.
        sigma: standard deviation of the Gaussian that the weights follow along the line, pixels.

    Returns uint8 [H, W, 3].
    """
    angle = rng.uniform(-45.0, 45.0)
    return from_fixed(shifted_sum(image, *trail(radius, sigma, angle)))


def trail(radius: float, sigma: float, angle: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the offsets and weights of a motion blur.

    Args:
        radius: half the length of the line, pixels.
        sigma: standard deviation of the Gaussian that the weights follow from the start of the line, pixels.
        angle: degrees from horizontal.

    Returns offsets int64 [2 radius + 1, 2], rows and columns, and weights float64 [2 radius + 1] of sum 1.
    """
    steps = np.arange(2 * int(radius) + 1)
    weights = np.exp(-0.5 * np.square(steps / sigma))
    turned = np.deg2rad(angle)
    offsets = np.stack([np.rint(steps * np.sin(turned)), np.rint(steps * np.cos(turned))], axis=1).astype(np.int64)
    return offsets, weights / weights.sum()


@image_corruption(
    version=2,
    severities=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    small=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    within=((1.0, 10.0), (0.001, 1.0)),
)
def zoom_blur(image: Pixels, most: float, step: float, rng: Generator) -> Pixels:
    """Average the image with enlarged copies of itself, as when zooming during the exposure.

    Args:
        image: uint8 [H, W, 3].
        most: zoom factors run from 1 to this, exclusive.
        step: between zoom factors.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    height, width = image.shape[:2]
    factors = np.arange(1.0, most, step)
    total = image.astype(np.uint16) if factors.size < 255 else image.astype(np.uint32)
    original = Image.fromarray(image)
    for factor in factors:
        rows, columns = (cut_to_enlarge(length, float(factor)) for length in (height, width))
        top, left = (height - rows.length) // 2, (width - columns.length) // 2
        box = (left + columns.start, top + rows.start, left + columns.end, top + rows.end)
        total += np.asarray(original.resize((width, height), Image.Resampling.BILINEAR, box=box))
    count = factors.size + 1
    mean: Pixels = ((total + count // 2) // count).astype(np.uint8)
    return mean


@image_corruption(
    version=2,
    severities=((0.7, 1.0, 2.0), (0.9, 2.0, 1.0), (1.0, 2.0, 3.0), (1.1, 3.0, 2.0), (1.5, 4.0, 2.0)),
    small=((0.05, 1.0, 1.0), (0.25, 1.0, 1.0), (0.4, 1.0, 1.0), (0.25, 1.0, 2.0), (0.4, 1.0, 2.0)),
    within=((0.0, 20.0), (0.0, 100.0), (1.0, 20.0)),
)
def glass_blur(image: Pixels, sigma: float, reach: float, rounds: float, rng: Generator) -> Pixels:
    """Displace each pixel randomly between two Gaussian blurs, as frosted glass does.

    As in the code of ImageNet-C, each pixel takes the value of a neighbour `-reach` to `reach - 1` pixels away along
    each axis, one pixel after the other from the lower right to the upper left. (That code is meant to swap the two.)

    Args:
        image: uint8 [H, W, 3].
        sigma: standard deviation of both blurs, pixels.
        reach: largest displacement of a round along each axis, pixels.
        rounds: number of rounds.

    Returns uint8 [H, W, 3].
    """
    flat = gaussian(image, sigma).reshape(-1, 3)
    for _ in range(int(rounds)):
        flat = flat.take(_sources(image.shape[0], image.shape[1], int(reach), rng), axis=0)
    return gaussian(flat.reshape(image.shape), sigma)


def _sources(height: int, width: int, reach: int, rng: Generator) -> NDArray[np.int32]:
    """Draw one round of glass blur: the position whose value each pixel has after it.  [height * width]"""
    own = np.arange(height * width, dtype=np.int32)
    plane = own.reshape(height, width).copy()
    moved = plane[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] if reach else plane[:0]
    drawn = bits16((2, *moved.shape), rng)
    rows, columns = ((drawn.astype(np.int32) * (2 * reach)) >> 16) - reach
    moved += rows * np.int32(width) + columns
    source = plane.ravel()
    # a neighbour further on in the image has moved before: follow it to what it took, by doubling the steps
    last = np.maximum(source, own)
    while reach > 1:
        further = last.take(last)
        if np.array_equal(further, last):
            break
        last = further
    return source.take(last) if reach > 1 else source
