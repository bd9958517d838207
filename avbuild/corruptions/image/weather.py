"""Weather between the camera and the thing, drawn from noise: no photographs are needed."""

import functools

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from avbuild.corruptions.draws import bits16, normals
from avbuild.corruptions.image.blur import trail
from avbuild.corruptions.image.sampling import from_fixed, shifted_sum, smooth_field, to_pixels
from avbuild.corruptions.registry import SMALL_PICTURE, image_corruption
from avbuild.modalities.base import Pixels

FROST_TEXTURES = 5
FROST_SIDE = 384


@image_corruption(
    version=1,
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
    """Falling flakes, and a whitened scene.

    image: uint8 [H, W, 3].  mean, std: of the noise that flakes are cut from.  zoom: size of a flake, pixels.
    threshold: noise below it is no flake.  radius, sigma: of the streaks, as in motion blur.  keep: how much of the
    scene keeps its colour.  Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    grains = normals((int(np.ceil(height / zoom)), int(np.ceil(width / zoom))), rng)
    grains *= np.float32(255 * std)
    grains += np.float32(255 * mean)
    flakes = np.asarray(Image.fromarray(to_pixels(grains)).resize((width, height), Image.Resampling.BILINEAR))
    flakes = np.where(flakes < 255 * threshold, 0, flakes)
    falling = from_fixed(shifted_sum(flakes, *trail(radius, sigma, rng.uniform(45.0, 135.0))))
    # in whole 256ths: no step needs more than 16 bits
    light = np.asarray(Image.fromarray(image).convert("L")).astype(np.uint16)
    light = np.minimum((light * 3 + 256) >> 1, 255)
    keep_256 = round(256 * keep)
    snowy = image * np.uint16(keep_256)
    snowy += np.maximum(image, light[..., None]) * np.uint16(256 - keep_256)
    snowy += 128
    snowy >>= 8
    snowy += (falling.astype(np.uint16) + falling[::-1, ::-1])[..., None]
    white_at_most: Pixels = np.minimum(snowy, 255).astype(np.uint8)
    return white_at_most


@image_corruption(
    version=1,
    severities=((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    small=((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
    within=((0.0, 20.0), (1.01, 10.0)),
)
def fog(image: Pixels, density: float, smoothness: float, rng: Generator) -> Pixels:
    """Drifting fog.

    image: uint8 [H, W, 3].  density: of the fog, where white is 1.  smoothness: by what its detail fades from one
    scale to the next.  Returns uint8 [H, W, 3]: scene and fog, scaled back to the scene's own range.
    """
    height, width = image.shape[:2]
    cloud = plasma(max(height, width), smoothness, rng)[:height, :width]
    peak = float(image.max())
    left = peak / (peak + 255 * density)
    foggy = image * np.float32(left)
    foggy += (255 * density * left * cloud).astype(np.float32)[..., None]
    return to_pixels(foggy)


def plasma(side: int, smoothness: float, rng: Generator) -> NDArray[np.float64]:
    """A cloud in 0 to 1 by diamond and square, [N, N] with N the next power of two (Fournier et al., CACM 1982)."""
    size = 2 ** max(1, int(np.ceil(np.log2(max(2, side)))))
    cloud = np.zeros((size + 1, size + 1))  # its last row and column are its first: the cloud goes round
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
        step, strength = half, strength / smoothness
    cloud = cloud[:-1, :-1]
    cloud -= cloud.min()
    return np.asarray(cloud / cloud.max())


@image_corruption(
    version=1,
    severities=((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    small=((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    within=((0.0, 1.0), (0.0, 1.0)),
)
def frost(image: Pixels, scene: float, ice: float, rng: Generator) -> Pixels:
    """Ice on the lens.

    image: uint8 [H, W, 3].  scene, ice: weights of the two in the sum.  Returns uint8 [H, W, 3].
    ImageNet-C cuts its ice from five photographs; here it is cut from five textures grown from needles.
    """
    height, width = image.shape[:2]
    texture = _frost_texture(int(rng.integers(FROST_TEXTURES)), min(height, width) < SMALL_PICTURE)
    side = texture.shape[0]
    if max(height, width) > side:
        whole = Image.fromarray(texture).resize((max(height, width),) * 2, Image.Resampling.BILINEAR)
        texture, side = np.asarray(whole), max(height, width)
    top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
    patch = texture[top : top + height, left : left + width]
    # 8-bit weights: sums stay in 16 bits, and exact
    total = image * np.uint16(round(256 * scene)) >> 1
    total += patch * np.uint16(round(256 * ice)) >> 1
    frozen: Pixels = np.minimum(total >> 7, 255).astype(np.uint8)
    return frozen


@functools.lru_cache(maxsize=2 * FROST_TEXTURES)
def _frost_texture(index: int, small: bool) -> Pixels:
    """Needles of ice that grow from scattered seeds in many directions, bluish white.  [side, side, 3]"""
    rng = np.random.Generator(np.random.PCG64(index))
    patches = smooth_field((FROST_SIDE, FROST_SIDE), 25.0, rng)
    patches = np.clip(0.5 + patches / (2.5 * patches.std()), 0, 1)
    needles = np.zeros((FROST_SIDE, FROST_SIDE), np.int32)
    for angle in rng.uniform(0, 360, 14):
        seeds = (rng.random((FROST_SIDE, FROST_SIDE)) < 0.012 * patches).astype(np.uint8) * 255
        grown = shifted_sum(seeds, *trail(18.0, 14.0, angle)) >> 16
        np.maximum(needles, np.minimum(grown * 9, 255), out=needles)
    glaze = smooth_field((FROST_SIDE, FROST_SIDE), 3.0, rng)
    light = 0.75 * needles * (0.4 + 0.6 * patches) + 110 * patches**2 + 60 * patches * glaze / glaze.std() * 0.3
    tinted = to_pixels(light[..., None] * np.array([0.86, 0.95, 1.0]) + np.array([10.0, 14.0, 20.0]))
    if not small:
        return tinted
    return np.asarray(Image.fromarray(tinted).resize((FROST_SIDE // 4, FROST_SIDE // 4), Image.Resampling.BOX))


@image_corruption(
    version=1,
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
    """Drops of water (severities 1 to 3) or splashes of mud (4 and 5) on the lens.

    image: uint8 [H, W, 3].  mean, std: of the noise that drops are cut from.  size: its blur, pixels.  threshold: noise
    below it is no drop.  strength: of the water's gleam, or the blur of the mud's edge in pixels.  mud: 0 or 1.
    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    liquid = mean + std * smooth_field((height, width), size, rng)
    wet = liquid > threshold
    if mud:
        edge = Image.fromarray(wet.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(strength))
        cover = np.asarray(edge).astype(np.float32)[..., None] / 255
        cover[cover < 0.8] = 0
        return to_pixels(image * (1 - cover) + np.array([63, 42, 20], np.float32) * cover)
    # a drop gleams where its surface faces the light, up and to the left
    spread = std / (2 * np.sqrt(np.pi) * max(size, 0.3))  # of the noise, once blurred
    deep = np.where(wet, (liquid - threshold) / max(spread, 1e-6), 0.0)
    rising = np.zeros_like(deep)
    rising[1:, 1:] = deep[1:, 1:] - deep[:-1, :-1]
    gleam = np.clip(0.3 + 0.5 * deep + rising, 0.0, 1.0) * wet
    return to_pixels(image + (strength * gleam)[..., None] * np.array([175.0, 238.0, 238.0]))


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
    """Streaks of rain, all at one slant.

    image: uint8 [H, W, 3].  density: drops a pixel.  length: of a streak, pixels.  opacity: how much of what lies
    behind a streak it hides, where the streak is full.  Returns uint8 [H, W, 3].
    """
    drops = np.where(bits16(image.shape[:2], rng) < density * 2**16, np.uint8(255), np.uint8(0))
    offsets, _ = trail(length / 2, 1.0, rng.uniform(75.0, 105.0))
    # each step of a streak hides the same, so weights are equal, and a streak of any length is as bright
    streaks = shifted_sum(drops, offsets, np.full(len(offsets), 1 / len(offsets)))
    cover = np.minimum(streaks * len(offsets) >> 16, 255).astype(np.float32)[..., None] * np.float32(opacity / 255)
    return to_pixels(image * (1 - cover) + np.float32(215) * cover)
