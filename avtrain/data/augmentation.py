"""Augmentation of images and frames in training: a random crop of random shape, resized, and a random flip."""

import math
from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from avbuild.scenarios.seeding import rng_for

AREA = (0.08, 1.0)  # of the crop, as a fraction of the image
ASPECT = (3 / 4, 4 / 3)  # width by height
TRIES = 10
VISUAL = ("image", "video")


@dataclass(frozen=True)
class Augmentation:
    """Crops and flips of a run, a pure function of its seed, the epoch and the sample.

    Attributes:
        seed: of the run.
    """

    seed: int

    def __call__(self, modality: str, signal: Tensor, size: int, sample: str, epoch: int) -> Tensor:
        """Crop, resize and flip an image or each frame of a video by draws of its own; other signals stay as they are.

        Args:
            modality: of the signal.
            signal: image uint8 [H, W, 3], or video uint8 [F, H, W, 3].
            size: side of the result in pixels, that of the front end, which then has nothing left to resize.
            sample: id.
            epoch: from 1.

        Returns:
            uint8 [size, size, 3], or [F, size, size, 3].
        """
        if modality not in VISUAL:
            return signal
        rng = rng_for(seed=self.seed, scenario="", sample=sample, modality=modality, op="crop", epoch=epoch)
        if modality == "image":
            return crop_and_flip(signal, size, rng)
        return torch.stack([crop_and_flip(frame, size, rng) for frame in signal])


def crop_and_flip(pixels: Tensor, size: int, rng: Generator) -> Tensor:
    """Cut a random box, resize it (bilinear, antialiased) and flip it in half of the cases, as torchvision does.

    Args:
        pixels: uint8 [H, W, 3].
        size: side of the result in pixels.
        rng: source of the draws.

    Returns:
        uint8 [size, size, 3].
    """
    top, left, height, width = draw_box(pixels.shape[0], pixels.shape[1], rng)
    cut = pixels[top : top + height, left : left + width].movedim(-1, 0)[None]
    resized = functional.interpolate(cut, (size, size), mode="bilinear", align_corners=False, antialias=True)[0]
    if rng.random() < 0.5:
        resized = resized.flip(-1)
    return resized.movedim(0, -1).contiguous()


def draw_box(height: int, width: int, rng: Generator) -> tuple[int, int, int, int]:
    """Draw a box of random area and shape; after ten that do not fit, the largest one in the middle.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        rng: source of the draws.

    Returns:
        top, left, height and width, in pixels.
    """
    for _ in range(TRIES):
        area = height * width * rng.uniform(*AREA)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            return int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1)), high, wide
    aspect = min(max(width / height, ASPECT[0]), ASPECT[1])
    wide, high = min(width, round(height * aspect)), min(height, round(width / aspect))
    return (height - high) // 2, (width - wide) // 2, high, wide
