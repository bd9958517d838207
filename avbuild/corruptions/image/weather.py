"""Weather between the camera and the scene, synthesised from noise: snow, fog, rain."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from avbuild.corruptions.draws import bits16, normals
from avbuild.corruptions.image.blur import trail
from avbuild.corruptions.image.enlarging import cut_to_enlarge
from avbuild.corruptions.image.sampling import from_fixed, shifted_sum, to_pixels
from avbuild.corruptions.registry import image_corruption
from avbuild.modalities.base import Pixels


@image_corruption(
    version=2,
    severities=(
        (0.1, 0.3, 3.0, 0.5, 10.0, 4.0, 0.8),
        (0.2, 0.3, 2.0, 0.5, 12.0, 4.0, 0.7),
        (0.55, 0.3, 4.0, 0.9, 12.0, 8.0, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12.0, 8.0, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12.0, 12.0, 0.55),
    ),
    small=(
        (0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.8),
    ),
    within=((0.0, 1.0), (0.0, 1.0), (1.0, 20.0), (0.0, 1.0), (0.0, 200.0), (0.01, 200.0), (0.0, 1.0)),
)
def snow(
    image: Pixels,
    mean: float,
    std: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    keep: float,
    rng: Generator,
) -> Pixels:
    """Add falling snow and whiten the scene.

    Args:
        image: uint8 [H, W, 3].
        mean: of the noise that flakes are cut from, where white is 1.
        std: standard deviation of that noise.
        zoom: size of a flake, pixels.
        threshold: noise below it becomes no flake.
        radius: half the length of the streaks, pixels, as in motion blur.
        sigma: standard deviation of the Gaussian that the weights follow along a streak, pixels.
        keep: share of the scene that keeps its colour, 0 to 1.

    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    flakes = _flakes(height, width, mean, std, zoom, threshold, rng)
    falling = from_fixed(shifted_sum(flakes, *trail(radius, sigma, rng.uniform(45.0, 135.0))))
    # weights are whole 256ths, so that every step is exact
    grey = np.asarray(Image.fromarray(image).convert("L")).astype(np.uint16)
    light = (grey * np.uint16(3) + np.uint16(256)) >> 1  # up to 510: exceeds white until it is mixed with the scene
    keep_256 = round(256 * keep)
    whitening = np.maximum(image, light[..., None]) * np.uint32(256 - keep_256)  # up to 510 * 256, beyond 16 bits
    whitening += image * np.uint16(keep_256)
    whitening += 128
    whitening >>= 8
    snowy = whitening.astype(np.uint16)
    snowy += (falling.astype(np.uint16) + falling[::-1, ::-1])[..., None]
    white_at_most: Pixels = np.minimum(snowy, 255).astype(np.uint8)
    return white_at_most


def _flakes(height: int, width: int, mean: float, std: float, zoom: float, threshold: float, rng: Generator) -> Pixels:
    """Return snow flakes before they fall; the parameters are those of `snow`.  [H, W]"""
    rows, columns = cut_to_enlarge(height, zoom), cut_to_enlarge(width, zoom)
    # in 65,536ths, since flakes are cut from sums of neighbours that may themselves lie below black or above white
    grains = normals((rows.length, columns.length), rng) * np.float32(std) + np.float32(mean)
    whole = np.rint(grains * 65_536).astype(np.int32)
    box = (columns.start, rows.start, columns.end, rows.end)
    smooth = np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.BILINEAR, box=box))
    white = smooth.clip(0, 65_536) * 255 >> 16
    return np.where(smooth < 65_536 * threshold, 0, white).astype(np.uint8)


@image_corruption(
    version=2,
    severities=((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    small=((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
    within=((0.0, 20.0), (1.01, 10.0)),
)
def fog(image: Pixels, density: float, smoothness: float, rng: Generator) -> Pixels:
    """Add fog of varying density.

    Args:
        image: uint8 [H, W, 3].
        density: of the fog, where white is 1.
        smoothness: detail weakens by the square of this factor from one scale to the next finer one.

    Returns uint8 [H, W, 3]: the sum of scene and fog, scaled so that it stays in the range of the scene.
    """
    height, width = image.shape[:2]
    cloud = plasma(max(height, width), smoothness, rng)[:height, :width]
    peak = float(image.max())
    left = peak / (peak + 255 * density)
    foggy = image * np.float32(left)
    foggy += (255 * density * left * cloud).astype(np.float32)[..., None]
    return to_pixels(foggy)


def plasma(side: int, smoothness: float, rng: Generator) -> NDArray[np.float64]:
    """Draw a plasma fractal by the diamond-square algorithm (Fournier et al., CACM 1982).

    Args:
        side: smallest side of the result, pixels.
        smoothness: detail weakens by the square of this factor from one scale to the next finer one.
        rng: generator of the detail.

    Returns float64 [N, N] in 0 to 1, N the next power of two; opposite borders match.
    """
    size = 2 ** max(1, int(np.ceil(np.log2(max(2, side)))))
    cloud = np.zeros((size + 1, size + 1))  # the last row and column repeat the first, so opposite borders match
    step, strength = size, 1.0
    while step >= 2:
        half, count = step // 2, size // step
        corners = cloud[::step, ::step]
        noise = (bits16((3, count, count), rng) - 32_767.5) * (strength / 32_767.5)
        rows, columns = corners[:-1] + corners[1:], corners[:, :-1] + corners[:, 1:]
        centre = (rows[:, :-1] + rows[:, 1:]) / 4 + noise[0]
        cloud[half::step, half::step] = centre
        around = np.concatenate([centre[-1:], centre])
        cloud[:-1:step, half::step] = (columns[:-1] + around[:-1] + centre) / 4 + noise[1]
        around = np.concatenate([centre[:, -1:], centre], axis=1)
        cloud[half::step, :-1:step] = (rows[:, :-1] + around[:, :-1] + centre) / 4 + noise[2]
        cloud[-1], cloud[:, -1] = cloud[0], cloud[:, 0]
        step, strength = half, strength / smoothness**2
    cloud = cloud[:-1, :-1]
    cloud -= cloud.min()
    return np.asarray(cloud / cloud.max())


@image_corruption(
    version=1,
    severities=(
        (0.004, 12.0, 0.35),
        (0.006, 16.0, 0.45),
        (0.007, 20.0, 0.55),
        (0.008, 26.0, 0.65),
        (0.009, 34.0, 0.75),
    ),
    small=((0.008, 4.0, 0.25), (0.012, 5.0, 0.3), (0.016, 6.0, 0.35), (0.02, 7.0, 0.4), (0.025, 8.0, 0.5)),
    within=((0.0, 1.0), (0.0, 200.0), (0.0, 1.0)),
)
def rain(image: Pixels, density: float, length: float, opacity: float, rng: Generator) -> Pixels:
    """Add streaks of rain, all at one random slant.

    Args:
        image: uint8 [H, W, 3].
        density: drops per pixel.
        length: of a streak, pixels.
        opacity: of a streak, 0 to 1.

    Returns uint8 [H, W, 3].
    """
    drops = np.where(bits16(image.shape[:2], rng) < density * 2**16, np.uint8(255), np.uint8(0))
    offsets, _ = trail(length / 2, 1.0, rng.uniform(75.0, 105.0))
    # equal weights, scaled back to their number: streaks of any length are equally bright
    streaks = shifted_sum(drops, offsets, np.full(len(offsets), 1 / len(offsets)))
    cover = np.minimum(streaks * len(offsets) >> 16, 255).astype(np.float32)[..., None] * np.float32(opacity / 255)
    return to_pixels(image * (1 - cover) + np.float32(215) * cover)
