"""What storage, transmission and obstacles do to a picture."""

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
    """Shown at a lower resolution, in visible squares.

    image: uint8 [H, W, 3].  scale: side of the reduced picture as a fraction, at least one pixel.
    Returns uint8 [H, W, 3].  Draws nothing.
    """
    height, width = image.shape[:2]
    reduced = (max(1, int(width * scale)), max(1, int(height * scale)))
    picture = Image.fromarray(image).resize(reduced, Image.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Image.Resampling.NEAREST))


@image_corruption(
    version=1,
    severities=(25.0, 18.0, 15.0, 10.0, 7.0),
    small=(80.0, 65.0, 58.0, 50.0, 40.0),
    within=(1.0, 100.0),
)
def jpeg(image: Pixels, quality: float, rng: Generator) -> Pixels:
    """Saved as JPEG and opened again.

    image: uint8 [H, W, 3].  quality: 1 to 100, libjpeg's scale.  Returns uint8 [H, W, 3].  Draws nothing.
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
    """Drawn on rubber: a slight tilt and shear, then every pixel pulled a little.

    image: uint8 [H, W, 3].  stretch: pixels that a displacement of 1 means.  sigma: of the blur that makes neighbours
    move together, pixels.  tilt: the furthest that three corners move, each way, pixels.  Returns uint8 [H, W, 3].
    ImageNet-C samples the picture twice, here both movements are one.
    """
    height, width = image.shape[:2]
    centre, reach = np.array([height, width]) / 2, max(1, min(height, width) // 3)
    corners = centre + reach * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = corners + rng.uniform(-tilt, tilt, corners.shape)
    # the affine map that takes each moved corner back to where it came from
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), corners)
    y, x = np.arange(height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)[None]
    if stretch:
        # uniform noise in -1 to 1 has the variance 1/3
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
    """Something stands in front: a grey rectangle.

    image: uint8 [H, W, 3].  fraction: of the area that it hides, about; its sides relate as 1:2 to 2:1, unless the
    picture is too narrow.  Returns uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    shape = 2 ** rng.uniform(-1.0, 1.0)
    tall = min(height, max(1, round(np.sqrt(fraction * height * width * shape)))) if fraction else 0
    wide = min(width, round(fraction * height * width / max(1, tall)))
    top, left = round(rng.uniform() * (height - tall)), round(rng.uniform() * (width - wide))
    hidden = image.copy()
    hidden[top : top + tall, left : left + wide] = 128
    return hidden
