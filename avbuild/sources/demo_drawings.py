"""The demo's ten image classes, drawn on a transparent canvas of 100 x 100 units, with variation inside each class."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

SIZE = 32  # px of the finished image
DETAIL = 4  # drawn this much larger, then reduced
CANVAS = SIZE * DETAIL

Colour = tuple[int, int, int]


class Pen:
    """Draws on a transparent canvas in units of 100 x 100, with two colours of its own."""

    def __init__(self, colour: Colour, second: Colour) -> None:
        self.canvas = Image.new("RGBA", (CANVAS, CANVAS))
        self._draw = ImageDraw.Draw(self.canvas)
        self.colour, self.second = colour, second

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour | None = None, round: float = 3) -> None:
        """Draw a filled rectangle with rounded corners."""
        self._draw.rounded_rectangle(self._fit(x0, y0, x1, y1), round * CANVAS / 100, fill=colour or self.colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour | None = None, flat: float = 1.0) -> None:
        """Draw a filled disc, or an ellipse `flat` times as high as wide."""
        shape = self._fit(x - radius, y - radius * flat, x + radius, y + radius * flat)
        self._draw.ellipse(shape, fill=colour or self.colour)

    def line(self, *points: float, width: float = 5, colour: Colour | None = None) -> None:
        """Draw a line through points x, y, x, y, ..."""
        self._draw.line(self._fit(*points), fill=colour or self.colour, width=int(width * CANVAS / 100), joint="curve")

    def shape(self, *points: float, colour: Colour | None = None) -> None:
        """Draw a filled polygon through points x, y, x, y, ..."""
        self._draw.polygon(self._fit(*points), fill=colour or self.colour)

    def _fit(self, *values: float) -> list[float]:
        return [value * CANVAS / 100 for value in values]


def air_conditioner(pen: Pen, rng: Generator) -> None:
    """Draw a box with slats and a fan."""
    pen.box(8, 22, 92, 80)
    x = rng.uniform(30, 40)
    pen.disc(x, 51, 21, pen.second)
    for turn in np.arange(4) * np.pi / 2 + rng.uniform(0, np.pi):
        pen.line(x, 51, x + 18 * np.cos(turn), 51 + 18 * np.sin(turn), width=6)
    for y in (34, 45, 56, 67):
        pen.line(64, y, 86, y, width=4, colour=pen.second)


def car_horn(pen: Pen, rng: Generator) -> None:
    """Draw a car from the side."""
    roof = rng.uniform(24, 36)
    pen.shape(26, 52, 38, roof, 66, roof, 80, 52)
    pen.box(6, 48, 94, 72, round=8)
    pen.shape(33, 50, 42, roof + 5, 62, roof + 5, 71, 50, colour=pen.second)
    for x in (27, 73):
        pen.disc(x, 73, 11, (20, 20, 20))
        pen.disc(x, 73, 4, (150, 150, 150))


def children_playing(pen: Pen, rng: Generator) -> None:
    """Draw two or three children and a ball."""
    for index, x in enumerate(np.linspace(20, 80, int(rng.integers(2, 4)))):
        colour = pen.colour if index % 2 else pen.second
        y, lift = rng.uniform(28, 40), rng.uniform(-14, 10)
        pen.disc(x, y, 9, (214, 170, 140))
        pen.line(x, y + 8, x, y + 32, width=10, colour=colour)
        pen.line(x - 15, y + 16 + lift, x, y + 14, x + 15, y + 16 - lift, width=5, colour=colour)
        pen.line(x - 10, y + 54, x, y + 32, x + 10, y + 54, width=6, colour=(60, 60, 90))
    pen.disc(rng.uniform(15, 85), rng.uniform(75, 90), 8, (235, 235, 235))


def dog_bark(pen: Pen, rng: Generator) -> None:
    """Draw a dog from the side."""
    pen.disc(46, 56, 28, flat=0.55)
    pen.disc(76, 38, 14)
    pen.box(80, 36, 97, 47, round=5)
    pen.shape(68, 32, 70, rng.uniform(8, 24), 80, 28, colour=pen.second)
    for x in (27, 38, 56, 66):
        pen.line(x, 62, x + rng.uniform(-4, 4), 90, width=7)
    pen.line(22, 50, rng.uniform(2, 12), rng.uniform(20, 50), width=6)
    pen.disc(80, 36, 3, (15, 15, 15))


def drilling(pen: Pen, rng: Generator) -> None:
    """Draw a power drill."""
    pen.box(14, 26, 60, 52, round=8)
    pen.shape(18, 48, 36, 48, 32, 88, 12, 88)
    pen.box(58, 32, 72, 46, colour=(90, 90, 95))
    pen.line(72, 39, 98, 39, width=rng.uniform(3, 6), colour=(170, 170, 175))
    pen.box(10, 80, 38, 94, colour=pen.second)


def engine_idling(pen: Pen, rng: Generator) -> None:
    """Draw a lorry from the side, with exhaust smoke."""
    pen.box(4, rng.uniform(18, 30), 60, 70)
    pen.box(62, 38, 94, 70, colour=pen.second, round=6)
    pen.box(74, 43, 90, 54, colour=(190, 215, 230))
    for x in (18, 42, 80):
        pen.disc(x, 74, 10, (20, 20, 20))
    for _ in range(int(rng.integers(0, 4))):
        pen.disc(rng.uniform(0, 12), rng.uniform(70, 92), rng.uniform(3, 7), (120, 120, 120))


def gun_shot(pen: Pen, rng: Generator) -> None:
    """Draw a pistol, sometimes with a muzzle flash."""
    pen.box(12, 28, 84, 46)
    pen.shape(14, 44, 38, 44, 30, 88, 8, 88)
    pen.line(38, 46, 44, 60, 30, 62, width=4)
    if rng.uniform() < 0.5:
        pen.shape(84, 37, 99, 24, 93, 37, 99, 50, colour=(255, 200, 60))


def jackhammer(pen: Pen, rng: Generator) -> None:
    """Draw an upright jackhammer on broken ground."""
    pen.line(26, 14, 74, 14, width=8, colour=pen.second)
    pen.box(38, 14, 62, 60, round=6)
    pen.line(50, 58, 50, 92, width=7, colour=(140, 140, 145))
    for _ in range(int(rng.integers(3, 7))):
        x = rng.uniform(15, 80)
        pen.shape(x, 97, x + rng.uniform(4, 10), rng.uniform(82, 92), x + 14, 97, colour=(110, 100, 95))


def siren(pen: Pen, rng: Generator) -> None:
    """Draw a beacon with rays of light."""
    pen.box(22, 70, 78, 86, colour=(70, 70, 75))
    pen.disc(50, 66, 22)
    pen.box(28, 62, 72, 72)
    pen.disc(44, 58, 6, (255, 240, 235))
    for turn in np.linspace(np.pi * 1.1, np.pi * 1.9, int(rng.integers(3, 6))):
        x, y = np.cos(turn), np.sin(turn)
        pen.line(50 + 30 * x, 62 + 30 * y, 50 + 44 * x, 62 + 44 * y, width=5, colour=pen.second)


def street_music(pen: Pen, rng: Generator) -> None:
    """Draw a guitar."""
    pen.disc(38, 66, 20)
    pen.disc(50, 46, 14)
    pen.disc(41, 61, 6, (30, 20, 15))
    pen.line(46, 54, 78, 14, width=6, colour=pen.second)
    pen.line(75, 10, 84, 18, width=8, colour=pen.second)
    pen.line(36, 70, 76, 17, width=1.5, colour=(235, 235, 220))


DRAWINGS: Mapping[str, Callable[[Pen, Generator], None]] = {
    function.__name__: function
    for function in (
        air_conditioner,
        car_horn,
        children_playing,
        dog_bark,
        drilling,
        engine_idling,
        gun_shot,
        jackhammer,
        siren,
        street_music,
    )
}
