"""Corruptions of a picture. Each is pure: the same pixels, level and generator give the same output.

Levels for pictures of 64 px and more are ImageNet-C's, below that CIFAR-10-C's (Hendrycks and Dietterich, ICLR 2019,
`make_imagenet_c.py` and `make_cifar_c.py`); box blur is ours, since neither has it.
"""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from avbuild.corruptions.registry import Pixels, image_corruption


@image_corruption(
    version=1,
    severities=(0.08, 0.12, 0.18, 0.26, 0.38),
    small=(0.04, 0.06, 0.08, 0.09, 0.10),
    within=(0.0, 10.0),
)
def gaussian_noise(image: Pixels, std: float, rng: Generator) -> Pixels:
    """White noise on every pixel and channel.

    image: uint8 [H, W, 3].  std: standard deviation, where black to white is 1.  Returns uint8 [H, W, 3].
    """
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= np.float32(255 * std)
    noisy += image
    return np.rint(noisy, out=noisy).clip(0, 255, out=noisy).astype(np.uint8)


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
