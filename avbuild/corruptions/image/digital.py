"""Corruptions by processing: pixelation, JPEG, elastic distortion, occlusion."""

import io

import numpy as np
from numpy.random import Generator
from PIL import Image

from avbuild.corruptions.image.sampling import sample_between, smooth_field
from avbuild.corruptions.registry import image_corruption
from avbuild.modalities.base import Pixels


@image_corruption(
    version=1,
    severities=(0.6, 0.5, 0.4, 0.3, 0.25),
    small=(0.95, 0.9, 0.85, 0.75, 0.65),
    within=(0.001, 1.0),
)
def pixelate(image: Pixels, scale: float, rng: Generator) -> Pixels:
    """Reduce the image and enlarge it again by nearest neighbour.

    Args:
        image: uint8 [H, W, 3].
        scale: sides of the reduced image as a fraction of the original ones; at least one pixel remains.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    height, width = image.shape[:2]
    reduced = (max(1, int(width * scale)), max(1, int(height * scale)))
    small = Image.fromarray(image).resize(reduced, Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


@image_corruption(
    version=1,
    severities=(25.0, 18.0, 15.0, 10.0, 7.0),
    small=(80.0, 65.0, 58.0, 50.0, 40.0),
    within=(1.0, 100.0),
)
def jpeg(image: Pixels, quality: float, rng: Generator) -> Pixels:
    """Encode and decode as JPEG.

    Args:
        image: uint8 [H, W, 3].
        quality: 1 to 100, libjpeg's scale.

    Returns uint8 [H, W, 3].  Deterministic: `rng` is not used.
    """
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, format="JPEG", quality=int(quality))
    return np.asarray(Image.open(sink))


@image_corruption(
    version=1,
    severities=(
        (488.0, 170.8, 24.4),
        (488.0, 19.52, 48.8),
        (12.2, 2.44, 4.88),
        (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    ),
    small=((0.0, 0.0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
    within=((0.0, 10_000.0), (0.0, 1000.0), (0.0, 1000.0)),
)
def elastic(image: Pixels, stretch: float, sigma: float, tilt: float, rng: Generator) -> Pixels:
    """Distort the image by a small random affine map and a random smooth displacement field.

    ImageNet-C resamples the image twice; here both displacements are added and the image is resampled once.

    Args:
        image: uint8 [H, W, 3].
        stretch: scale of the displacement field, pixels.
        sigma: standard deviation of the Gaussian that smooths the field, pixels.
        tilt: largest displacement, along each axis, of the three points that define the affine map, pixels.

    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    centre, reach = np.array([height, width]) / 2, max(1, min(height, width) // 3)
    corners = centre + reach * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = corners + rng.uniform(-tilt, tilt, corners.shape)
    # the affine map from each moved corner back to its original place
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), corners)
    y, x = np.arange(height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)[None]
    if stretch:
        # ImageNet-C blurs uniform noise in -1 to 1, whose variance is 1/3
        y = y + stretch / np.sqrt(3) * smooth_field((height, width), sigma, rng)
        x = x + stretch / np.sqrt(3) * smooth_field((height, width), sigma, rng)
    return sample_between(
        image, y * back[0, 0] + x * back[1, 0] + back[2, 0], y * back[0, 1] + x * back[1, 1] + back[2, 1]
    )


@image_corruption(
    version=1,
    severities=(0.1, 0.2, 0.3, 0.4, 0.5),
    within=(0.0, 1.0),
)
def occlusion(image: Pixels, fraction: float, rng: Generator) -> Pixels:
    """Hide part of the image behind a grey rectangle at a random place.

    Args:
        image: uint8 [H, W, 3].
        fraction: approximate share of the area that is hidden, 0 to 1; the aspect ratio is drawn from 1:2 to 2:1,
            unless the image is too narrow.

    Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    shape = 2 ** rng.uniform(-1.0, 1.0)
    tall = min(height, max(1, round(np.sqrt(fraction * height * width * shape)))) if fraction else 0
    wide = min(width, round(fraction * height * width / max(1, tall)))
    top, left = round(rng.uniform() * (height - tall)), round(rng.uniform() * (width - wide))
    hidden = image.copy()
    hidden[top : top + tall, left : left + wide] = 128
    return hidden
