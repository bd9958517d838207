"""The interface of a front end, and the preparation of images and video that all of them share."""

from typing import Protocol

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

SAMPLE_RATE = 16_000  # of decoded audio, in Hz
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class AnyFrontend(Protocol):
    """A front end: it turns decoded signals into the inputs of a backbone.

    A sample is prepared by the process that loads it; what is cheaper for a whole batch is done by `finish`.
    """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample's input, by modality."""

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """Prepare one decoded signal.

        Args:
            modality: `audio`, `image` or `video`.
            signal: audio float32 [samples] at 16 kHz, full scale 1.0; image uint8 [H, W, 3]; video uint8 [F, H, W, 3].
        """

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""


def visual_shapes(size: int, frames: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that `prepare_visual` gives, by modality.

    Args:
        size: side of an image or frame in pixels.
        frames: number of frames of a video.
    """
    return {"image": (3, size, size), "video": (frames, 3, size, size)}


def prepare_visual(modality: str, signal: Tensor, size: int, frames: int) -> Tensor:
    """Prepare an image, or some frames of a video.

    Args:
        modality: `image` or `video`.
        signal: image uint8 [H, W, 3], or video uint8 [F, H, W, 3].
        size: side of the result in pixels.
        frames: number of frames to take of a video.

    Returns:
        float32 [3, size, size], or [frames, 3, size, size] for a video.
    """
    chosen = signal[spread(len(signal), frames)] if modality == "video" else signal
    return normalise_image(chosen.movedim(-1, -3), size)


def spread(count: int, wanted: int) -> list[int]:
    """Return the indices of evenly spread frames: the middles of `wanted` equal parts of a video.

    Args:
        count: number of frames of the video, at least 1; where there are fewer than wanted they are repeated.
        wanted: number of indices.
    """
    return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]


def normalise_image(pixels: Tensor, size: int) -> Tensor:
    """Scale the shorter side to `size` (bicubic, antialiased), crop the centre, normalise by ImageNet's statistics.

    Args:
        pixels: uint8 [..., 3, H, W].
        size: side of the result in pixels.

    Returns:
        float32 [..., 3, size, size].
    """
    if pixels.shape[-2:] != (size, size):
        bicubic = transforms.InterpolationMode.BICUBIC
        pixels = transforms.resize(pixels, [size], interpolation=bicubic, antialias=True)
        pixels = transforms.center_crop(pixels, [size, size])
    scaled = pixels.to(torch.float32) / 255.0
    normalised: Tensor = transforms.normalize(scaled, list(IMAGENET_MEAN), list(IMAGENET_STD))
    return normalised
