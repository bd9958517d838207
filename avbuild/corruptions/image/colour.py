"""Brightness, saturation, contrast, low light."""

import numpy as np
from numpy.random import Generator

from avbuild.corruptions.draws import normals
from avbuild.corruptions.image.sampling import to_pixels
from avbuild.corruptions.registry import image_corruption
from avbuild.modalities.base import Pixels


@image_corruption(
    version=1,
    severities=(0.1, 0.2, 0.3, 0.4, 0.5),
    small=(0.05, 0.1, 0.15, 0.2, 0.3),
    within=(0.0, 1.0),
)
def brightness(image: Pixels, more: float, rng: Generator) -> Pixels:
    """Increase the brightness (the value of HSV); hue and saturation are kept.

    Args:
        image: uint8 [H, W, 3].
        more: added to the value, 0 to 1.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    value = _brightest(image)
    levels = np.arange(256)
    raised = np.minimum(levels + 255 * more, 255)
    # hue and saturation fix the ratios of a pixel's channels, so a new value means one factor for all three; black
    # has no ratios and is set below
    factor = (raised / np.maximum(levels, 1)).astype(np.float32)
    brighter = to_pixels(image * factor[value][..., None])
    brighter[value == 0] = round(raised[0])
    return brighter


@image_corruption(
    version=1,
    severities=((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
    small=((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)),
    within=((0.0, 100.0), (0.0, 1.0)),
)
def saturate(image: Pixels, factor: float, more: float, rng: Generator) -> Pixels:
    """Change the saturation (of HSV): paler at severities 1 and 2, stronger at 3 to 5.

    Args:
        image: uint8 [H, W, 3].
        factor: the saturation is multiplied by this,
        more: then increased by this, and clipped to 0 to 1.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    value, least = _brightest(image).astype(np.float32), 255 - _brightest(~image).astype(np.float32)
    spread = value - least
    saturation = spread / np.maximum(value, 1)
    wanted = np.clip(saturation * np.float32(factor) + np.float32(more), 0, 1)
    # value - channel = value * saturation * (a share that depends on the hue only)
    stretch = wanted * value / np.maximum(spread, 1)
    shifted = to_pixels(value[..., None] - (value[..., None] - image) * stretch[..., None])
    if more > 0:  # grey has no hue; HSV calls it red
        grey = spread == 0
        pale = to_pixels(value[grey] * (1 - wanted[grey]))
        shifted[grey] = np.stack([value[grey].astype(np.uint8), pale, pale], axis=-1)
    return shifted


@image_corruption(
    version=1,
    severities=(0.4, 0.3, 0.2, 0.1, 0.05),
    small=(0.75, 0.5, 0.4, 0.3, 0.15),
    within=(0.0, 1.0),
)
def contrast(image: Pixels, factor: float, rng: Generator) -> Pixels:
    """Reduce the contrast: move every pixel towards the mean of its channel.

    Args:
        image: uint8 [H, W, 3].
        factor: remaining share of the distance to the mean, 0 to 1.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    pixels = image.reshape(-1, 3).astype(np.float64)
    means = np.ones(len(pixels)) @ pixels / len(pixels)  # sums of whole numbers are exact in any order
    flat = image * np.float32(factor)
    flat += ((1 - factor) * means).astype(np.float32)
    return to_pixels(flat)


@image_corruption(
    version=1,
    severities=((0.6, 120.0), (0.45, 70.0), (0.3, 40.0), (0.2, 22.0), (0.12, 12.0)),
    small=((0.8, 500.0), (0.7, 350.0), (0.55, 220.0), (0.45, 150.0), (0.35, 100.0)),
    within=((0.01, 1.0), (1.0, 10_000.0)),
)
def low_light(image: Pixels, exposure: float, photons: float, rng: Generator) -> Pixels:
    """Darken the image and add the noise of a sensor in low light.

    Args:
        image: uint8 [H, W, 3].
        exposure: remaining share of the light, 0 to 1.
        photons: mean photon count of full white; where the darkened image has the value `light` in 0 to 1, the noise
            has the standard deviation sqrt(light / photons).

    Returns uint8 [H, W, 3].
    """
    light = image * np.float32(exposure / 255)
    grain = normals(image.shape, rng)
    grain *= np.sqrt(light * np.float32(1 / photons))
    grain += light
    grain *= np.float32(255)
    return to_pixels(grain)


def _brightest(image: Pixels) -> Pixels:
    """Return the largest channel of each pixel.  [H, W]"""
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
