"""The demo's images: a drawing in a scene, with random position, size, angle, colour, light, background, occlusion."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from avbuild.sources.demo_drawings import CANVAS, DETAIL, DRAWINGS, SIZE, Colour, Pen

GREYISH = 0.4  # strongest saturation of the surroundings
# mean hue of each class, 0 to 1: a hint at the class, not enough to tell it
HUES = {name: index * 0.3 % 1 for index, name in enumerate(DRAWINGS)}


def draw_image(label: str, rng: Generator) -> NDArray[np.uint8]:
    """Draw one image of a class.

    Args:
        label: the class.
        rng: generator of everything in it.

    Returns uint8 [32, 32, 3].
    """
    hue = (HUES[label] + rng.normal(0, 0.027)) % 1
    pen = Pen(_colour(rng, hue), _colour(rng, rng.uniform()))
    DRAWINGS[label](pen, rng)
    drawing = pen.canvas
    if rng.uniform() < 0.5:
        drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scene = _scene(rng)
    scale = rng.uniform(0.8, 1.1)
    drawing = drawing.rotate(rng.normal(0, 8), Image.Resampling.BICUBIC).resize([round(CANVAS * scale)] * 2)
    margin = CANVAS - drawing.width
    place = [round(margin / 2 + rng.uniform(-0.08, 0.08) * CANVAS) for _ in range(2)]
    scene.paste(drawing, (place[0], place[1]), drawing)
    _occlude(scene, rng)
    if rng.uniform() < 0.5:
        scene = scene.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6) * DETAIL))
    pixels = np.asarray(scene.resize((SIZE, SIZE), Image.Resampling.BOX), np.float64)
    light = pixels.mean() + (pixels - pixels.mean()) * rng.uniform(0.5, 1.1) + rng.uniform(-45, 45)
    noisy = light + rng.normal(0, rng.uniform(2, 14), light.shape)
    return np.asarray(np.rint(noisy).clip(0, 255), np.uint8)


def _colour(rng: Generator, hue: float, strongest: float = 0.95) -> Colour:
    """Return a colour of a hue, of random saturation and value."""
    saturation, value = rng.uniform(0.25, 1.0) * strongest, rng.uniform(0.3, 1.0)
    wheel = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    rgb = 255 * value * (1 - saturation + saturation * wheel.clip(0, 1))
    return int(rgb[0]), int(rgb[1]), int(rgb[2])


def _scene(rng: Generator) -> Image.Image:
    """Return a background of sky and ground, or of a wall, with random rectangles."""
    top, bottom = (np.array(_colour(rng, rng.uniform(), GREYISH), np.float64) for _ in range(2))
    horizon = rng.uniform(0.2, 0.9)
    rows = np.linspace(0, 1, CANVAS)[:, None, None]
    blend = 1 / (1 + np.exp(-(rows - horizon) * rng.uniform(2, 40)))
    ground = np.broadcast_to(top * (1 - blend) + bottom * blend, (CANVAS, CANVAS, 3))
    scene = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, CANVAS, 2)
        width, height = rng.uniform(0.05, 0.4, 2) * CANVAS
        draw.rectangle((x, y, x + width, y + height), fill=_colour(rng, rng.uniform(), GREYISH))
    return scene


def _occlude(scene: Image.Image, rng: Generator) -> None:
    """Sometimes draw a post or a sign in front of the scene."""
    if rng.uniform() < 0.3:
        x, width = rng.uniform(0, 0.85) * CANVAS, rng.uniform(0.06, 0.22) * CANVAS
        y = rng.uniform(0, 0.6) * CANVAS
        shape = (x, y, x + width, y + rng.uniform(0.2, 1.0) * CANVAS)
        ImageDraw.Draw(scene).rectangle(shape, fill=_colour(rng, rng.uniform(), GREYISH))
