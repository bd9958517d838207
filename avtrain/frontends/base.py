"""The interface of a front end, its version, and the preparation of images and video that all front ends share."""

from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

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
            modality: `audio`, `image`, `video`, or one that the front end alone knows.
            signal: audio float32 [samples] at 16 kHz, full scale 1.0; image uint8 [H, W, 3]; video uint8 [F, H, W, 3].
                A front end for text is given a str.
        """

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""


def dtype_of(frontend: AnyFrontend, modality: str) -> torch.dtype:
    """Return the type of the inputs of a modality: float32, unless the front end has other `dtypes`."""
    found: torch.dtype = getattr(frontend, "dtypes", {}).get(modality, torch.float32)
    return found


def version_of(frontend: AnyFrontend) -> int:
    """Return the version of a front end; 1 for one that has never changed what it computes."""
    found: int = getattr(getattr(frontend, "inner", frontend), "version", 1)
    return found


def with_version(frontend: Any, version: int) -> AnyFrontend:
    """Return a front end that computes what an earlier version did.

    Args:
        frontend: of the newest version.
        version: the wanted one; any other than its own needs a field `version`, on it or on its `inner` front end.
    """
    if version == version_of(frontend):
        found: AnyFrontend = frontend
    elif hasattr(frontend, "inner"):
        found = replace(frontend, inner=with_version(frontend.inner, version))
    else:
        found = replace(frontend, version=version)
    return found


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
        pixels = _crop_centre(_scale_shorter_side(pixels, size), size)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (pixels.to(torch.float32) / 255.0 - mean) / std


def _scale_shorter_side(pixels: Tensor, size: int) -> Tensor:
    """Scale uint8 [..., 3, H, W] as torchvision's `resize` does, whose import takes as long as half of torch."""
    height, width = pixels.shape[-2:]
    longer = int(size * max(height, width) / min(height, width))
    scaled = (longer, size) if height > width else (size, longer)
    if scaled == (height, width):
        return pixels
    images = pixels.reshape(-1, *pixels.shape[-3:])
    images = functional.interpolate(images, scaled, mode="bicubic", align_corners=False, antialias=True)
    return images.reshape(*pixels.shape[:-2], *scaled)


def _crop_centre(pixels: Tensor, size: int) -> Tensor:
    """Cut size x size from the middle of [..., H, W], which is at least as large."""
    top, left = (round((side - size) / 2) for side in pixels.shape[-2:])
    return pixels[..., top : top + size, left : left + size]


def time_first(modality: str, features: Tensor) -> Tensor:
    """Turn audio features [bins, frames] into [frames, bins], which corruptions of features take, and back.

    Features of other modalities are returned as they are.
    """
    return features.T if modality == "audio" else features
