"""Weather on the lens, synthesised from noise: frost, and spatter of water or mud."""

import functools

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from avbuild.corruptions.image.blur import trail
from avbuild.corruptions.image.drops import highlights
from avbuild.corruptions.image.gaussian import gaussian
from avbuild.corruptions.image.sampling import shifted_sum, smooth_field, to_pixels
from avbuild.corruptions.registry import SMALL_IMAGE, image_corruption
from avbuild.modalities.base import Pixels

FROST_SIDE = 384
# Mean and standard deviation of red, green and blue in the five photographs that ImageNet-C draws from, two of which
# are the same, so that the textures here cover an image as strongly.
FROST_COLOURS = (
    ((77.7, 149.1, 165.7), (26.9, 16.5, 15.3)),
    ((200.8, 205.4, 214.5), (21.4, 22.1, 22.6)),
    ((200.8, 205.4, 214.5), (21.4, 22.1, 22.6)),
    ((137.6, 152.8, 165.2), (28.5, 28.5, 29.9)),
    ((112.4, 123.4, 134.8), (44.4, 43.3, 41.7)),
)


@image_corruption(
    version=2,
    severities=((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    small=((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    within=((0.0, 1.0), (0.0, 1.0)),
)
def frost(image: Pixels, scene: float, ice: float, rng: Generator) -> Pixels:
    """Cover the image with frost, as on a lens.

    ImageNet-C uses crops of five photographs of ice; here they are crops of five synthetic textures whose mean and
    contrast are those of the photographs.

    Args:
        image: uint8 [H, W, 3].
        scene: weight of the image in the sum.
        ice: weight of the frost in the sum.

    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    texture = _frost_texture(int(rng.integers(len(FROST_COLOURS))), min(height, width) < SMALL_IMAGE)
    side = texture.shape[0]
    if max(height, width) > side:
        enlarged = Image.fromarray(texture).resize((max(height, width),) * 2, Image.Resampling.BILINEAR)
        texture, side = np.asarray(enlarged), max(height, width)
    top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
    patch = texture[top : top + height, left : left + width]
    # weights are whole 256ths, so that sums are exact in 16 bits
    total = image * np.uint16(round(256 * scene)) >> 1
    total += patch * np.uint16(round(256 * ice)) >> 1
    frozen: Pixels = np.minimum(total >> 7, 255).astype(np.uint8)
    return frozen


@functools.lru_cache(maxsize=2 * len(FROST_COLOURS))
def _frost_texture(index: int, small: bool) -> Pixels:
    """Return needles of ice that grow from random seeds in many directions.

    Args:
        index: of the texture, in FROST_COLOURS.
        small: whether it is for images under 64 px.

    Returns uint8 [side, side, 3].
    """
    rng = np.random.Generator(np.random.PCG64(index))
    patches = smooth_field((FROST_SIDE, FROST_SIDE), 25.0, rng)
    patches = np.clip(0.5 + patches / (2.5 * patches.std()), 0, 1)
    needles = np.zeros((FROST_SIDE, FROST_SIDE), np.int32)
    for angle in rng.uniform(0, 360, 14):
        seeds = (rng.random((FROST_SIDE, FROST_SIDE)) < 0.012 * patches).astype(np.uint8) * 255
        grown = shifted_sum(seeds, *trail(18.0, 14.0, angle)) >> 16
        np.maximum(needles, np.minimum(grown * 9, 255), out=needles)
    glaze = smooth_field((FROST_SIDE, FROST_SIDE), 3.0, rng)
    fine = _standardised(needles * (0.4 + 0.6 * patches) + 60 * glaze / glaze.std())
    # in the photographs, what varies within 32 px is about as strong as what varies beyond
    light = _standardised(_standardised(patches) + 3 * fine)
    means, deviations = np.array(FROST_COLOURS[index])
    texture = to_pixels(means + deviations * light[..., None])
    return texture[::5, ::5] if small else texture  # CIFAR-10-C reduces its photographs to a fifth, unfiltered too


def _standardised(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a plane of mean 0 and standard deviation 1."""
    return np.asarray((plane - plane.mean()) / plane.std())


@image_corruption(
    version=2,
    severities=(
        (0.65, 0.3, 4.0, 0.69, 0.6, 0.0),
        (0.65, 0.3, 3.0, 0.68, 0.6, 0.0),
        (0.65, 0.3, 2.0, 0.68, 0.5, 0.0),
        (0.65, 0.3, 1.0, 0.65, 1.5, 1.0),
        (0.67, 0.4, 1.0, 0.65, 1.5, 1.0),
    ),
    small=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0.0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0.0),
        (0.65, 0.3, 1.0, 0.69, 0.5, 0.0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1.0),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1.0),
    ),
    within=((0.0, 1.0), (0.0, 1.0), (0.1, 50.0), (0.0, 1.0), (0.0, 10.0), (0.0, 1.0)),
)
def spatter(
    image: Pixels, mean: float, std: float, size: float, threshold: float, strength: float, mud: float, rng: Generator
) -> Pixels:
    """Add drops of water (severities 1 to 3) or splashes of mud (4 and 5), as on a lens.

    Args:
        image: uint8 [H, W, 3].
        mean: of the noise that drops are cut from.
        std: standard deviation of that noise.
        size: standard deviation of the Gaussian that smooths it, pixels.
        threshold: noise below it becomes no drop.
        strength: brightness of the highlights on water, or blur of the edges of mud in pixels.
        mud: 0 for water, 1 for mud.

    Returns uint8 [H, W, 3].
    """
    liquid = mean + std * smooth_field(image.shape[:2], size, rng)
    wet = liquid > threshold
    if mud:
        cover = gaussian(wet.astype(np.uint8) * np.uint8(255), strength).astype(np.float32)[..., None] / 255
        cover[cover < 0.8] = 0
        return to_pixels(image * (1 - cover) + np.array([63, 42, 20], np.float32) * cover)
    level = np.where(wet, 255 * liquid, 0).clip(0, 255).astype(np.uint8)
    return to_pixels(image + (strength * highlights(level))[..., None] * np.array([175.0, 238.0, 238.0]))
