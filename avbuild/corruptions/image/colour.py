"""Light and colour: too much, too little, too flat, too strong."""

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
    """Overexposed: the value of HSV raised, hue and saturation kept.

    image: uint8 [H, W, 3].  more: added to the value, where white is 1.  Returns uint8 [H, W, 3].  Draws nothing.
    """
    value = _brightest(image)
    levels = np.arange(256)
    raised = np.minimum(levels + 255 * more, 255)
    # hue and saturation fix the ratios of a pixel's channels, so raising its value is one factor; black has none
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
    """Colours pale (severities 1 and 2) or garish (3 to 5): the saturation of HSV times `factor`, plus `more`.

    image: uint8 [H, W, 3].  Returns uint8 [H, W, 3].  Draws nothing.
    """
    value, least = _brightest(image).astype(np.float32), 255 - _brightest(~image).astype(np.float32)
    spread = value - least
    saturation = spread / np.maximum(value, 1)
    wanted = np.clip(saturation * np.float32(factor) + np.float32(more), 0, 1)
    # value - channel is the value times the saturation times a share that the hue fixes
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
    """Flat: every channel drawn towards its mean.

    image: uint8 [H, W, 3].  factor: what is left of the distance.  Returns uint8 [H, W, 3].  Draws nothing.
    """
    pixels = image.reshape(-1, 3).astype(np.float64)
    means = np.ones(len(pixels)) @ pixels / len(pixels)  # whole numbers, so in any order the sum is exact
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
    """At night: darker, and grainy as a sensor is when light is short.

    image: uint8 [H, W, 3].  exposure: what is left of the light.  photons: how many make full white, so that their
    counting noise has the standard deviation sqrt(light * photons).  Returns uint8 [H, W, 3].
    """
    light = image * np.float32(exposure / 255)
    grain = normals(image.shape, rng)
    grain *= np.sqrt(light * np.float32(1 / photons))
    grain += light
    grain *= np.float32(255)
    return to_pixels(grain)


def _brightest(image: Pixels) -> Pixels:
    """The largest channel of each pixel.  [H, W]"""
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
