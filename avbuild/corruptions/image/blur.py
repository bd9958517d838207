"""Blur: of the lens, of movement, of glass."""

import functools

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from avbuild.corruptions.image.sampling import disc_mean, from_fixed, shifted_sum, softened
from avbuild.corruptions.registry import image_corruption
from avbuild.modalities.base import Pixels


@image_corruption(
    version=1,
    severities=(1.0, 2.0, 3.0, 4.0, 6.0),
    small=(0.4, 0.6, 0.7, 0.8, 1.0),
    within=(0.0, 100.0),
)
def gaussian_blur(image: Pixels, sigma: float, rng: Generator) -> Pixels:
    """Out of focus: a Gaussian blur.

    image: uint8 [H, W, 3].  sigma: pixels.  Returns uint8 [H, W, 3].  Draws nothing.
    """
    # Pillow's blur is integer arithmetic throughout (repeated box blurs): the same bytes on every processor
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma)))


@image_corruption(
    version=1,
    severities=(2.0, 4.0, 7.0, 11.0, 16.0),
    small=(0.5, 0.75, 1.0, 1.5, 2.0),
    within=(0.0, 1000.0),
)
def box_blur(image: Pixels, radius: float, rng: Generator) -> Pixels:
    """Each pixel becomes the mean of the square around it.

    image: uint8 [H, W, 3].  radius: pixels, the square's side is 2 radius + 1.  Returns uint8 [H, W, 3].
    Draws nothing.
    """
    return np.asarray(Image.fromarray(image).filter(ImageFilter.BoxBlur(radius)))


@image_corruption(
    version=1,
    severities=((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
    small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
    within=((0.1, 100.0), (0.01, 1.0)),
)
def defocus_blur(image: Pixels, radius: float, soften: float, rng: Generator) -> Pixels:
    """Out of focus, as a lens is: every point becomes a disc.

    image: uint8 [H, W, 3].  radius: of the disc, pixels.  soften: sigma of the disc's own edge, pixels.
    Returns uint8 [H, W, 3].  Draws nothing.
    """
    if radius >= 2:
        return disc_mean(softened(image, soften), radius)
    kernel = _disc(radius, soften)
    reach = kernel.shape[0] // 2
    return from_fixed(shifted_sum(image, np.argwhere(kernel > 0) - reach, kernel[kernel > 0]))


@functools.lru_cache(maxsize=32)
def _disc(radius: float, soften: float) -> NDArray[np.float64]:
    """A square kernel of odd side, sum 1."""
    reach = int(np.ceil(radius)) + (2 if radius > 8 else 1)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.float64)
    near = np.exp(-0.5 * np.square(np.arange(-2, 3) / soften))
    near /= near.sum()
    for axis in (0, 1):
        disc = np.apply_along_axis(np.convolve, axis, disc, near, "same")
    return np.asarray(disc / disc.sum())


@image_corruption(
    version=1,
    severities=((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
    small=((6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)),
    within=((0.0, 200.0), (0.01, 200.0)),
)
def motion_blur(image: Pixels, radius: float, sigma: float, rng: Generator) -> Pixels:
    """The camera moves while the shutter is open, at an angle within 45 degrees of level.

    image: uint8 [H, W, 3].  radius: half the length of the trail, pixels.  sigma: how its weight falls off, pixels.
    Returns uint8 [H, W, 3].
    """
    angle = rng.uniform(-45.0, 45.0)
    return from_fixed(shifted_sum(image, *trail(radius, sigma, angle)))


def trail(radius: float, sigma: float, angle: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Offsets [2 radius + 1, 2] along a line at an angle in degrees, and weights that fall off along it, sum 1."""
    steps = np.arange(2 * int(radius) + 1)
    weights = np.exp(-0.5 * np.square(steps / sigma))
    turned = np.deg2rad(angle)
    offsets = np.stack([np.rint(steps * np.sin(turned)), np.rint(steps * np.cos(turned))], axis=1).astype(np.int64)
    return offsets, weights / weights.sum()


@image_corruption(
    version=1,
    severities=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    small=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    within=((1.0, 10.0), (0.001, 1.0)),
)
def zoom_blur(image: Pixels, most: float, step: float, rng: Generator) -> Pixels:
    """The camera comes nearer while the shutter is open.

    image: uint8 [H, W, 3].  most: zoom factors run from 1 up to this, exclusive.  step: between them.
    Returns uint8 [H, W, 3]: their mean with the picture.  Draws nothing.
    """
    height, width = image.shape[:2]
    factors = np.arange(1.0, most, step)
    total = image.astype(np.uint16) if factors.size < 255 else image.astype(np.uint32)
    picture = Image.fromarray(image)
    for factor in factors:
        margin_x, margin_y = width * (1 - 1 / factor) / 2, height * (1 - 1 / factor) / 2
        inside = (margin_x, margin_y, width - margin_x, height - margin_y)
        total += np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box=inside))
    count = factors.size + 1
    mean: Pixels = ((total + count // 2) // count).astype(np.uint8)
    return mean


@image_corruption(
    version=1,
    severities=((0.7, 1.0, 2.0), (0.9, 2.0, 1.0), (1.0, 2.0, 3.0), (1.1, 3.0, 2.0), (1.5, 4.0, 2.0)),
    small=((0.05, 1.0, 1.0), (0.25, 1.0, 1.0), (0.4, 1.0, 1.0), (0.25, 1.0, 2.0), (0.4, 1.0, 2.0)),
    within=((0.0, 20.0), (0.0, 100.0), (1.0, 20.0)),
)
def glass_blur(image: Pixels, sigma: float, reach: float, rounds: float, rng: Generator) -> Pixels:
    """Behind frosted glass: pixels trade places with near ones, between two blurs.

    image: uint8 [H, W, 3].  sigma: of both blurs, pixels.  reach: the furthest a pixel moves in a round, each way.
    rounds: how often.  Returns uint8 [H, W, 3].  ImageNet-C swaps pairs one after the other; here every pixel of a
    round takes its value from a neighbour at once.
    """
    blur = ImageFilter.GaussianBlur(sigma)
    picture = np.asarray(Image.fromarray(image).filter(blur))
    height, width = image.shape[:2]
    y, x = np.arange(height)[:, None], np.arange(width)[None]
    for _ in range(int(rounds)):
        moves = rng.integers(-int(reach), int(reach) + 1, (2, height, width), dtype=np.int64)
        picture = picture[(y + moves[0]).clip(0, height - 1), (x + moves[1]).clip(0, width - 1)]
    return np.asarray(Image.fromarray(picture).filter(blur))
