"""Front-end steps for a batch of raw signals of any length and size, made of operations that can be exported.

`AnyFrontend.prepare` treats one signal, and its steps depend on the size of that signal.  Here sizes are tensors, and
all intermediate shapes are fixed.  Spectra are products with matrices of sines and cosines: few formats have complex
numbers.
"""

import functools
import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from avtrain.frontends.base import IMAGENET_MEAN, IMAGENET_STD


@runtime_checkable
class TraceableFrontend(Protocol):
    """A front end that can be exported."""

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Do what `prepare` and `finish` do, for raw signals.

        Args:
            modality: `audio`, `image` or `video`.
            signals: audio float32 [B, samples]; image uint8 [B, H, W, 3]; video uint8 [B, F, H, W, 3].
            lengths: of audio: int64 [B], samples of each clip; None for other modalities.

        Returns:
            The inputs of a backbone, [B, *shape].
        """


def cut_or_pad(signals: Tensor, lengths: Tensor, samples: int) -> Tensor:
    """Cut clips, or append zeros; what lies behind the end of a clip is not used.

    Args:
        signals: [B, S].
        lengths: int64 [B], samples of each clip.
        samples: length of the result.

    Returns:
        [B, samples].
    """
    index = torch.arange(samples, device=signals.device)
    there = index[None] < lengths[:, None].clamp(max=signals.shape[1])
    taken = signals.index_select(1, index.clamp(max=signals.shape[1] - 1))
    return taken.where(there, 0.0)


def power_spectrum(frames: Tensor, size: int, periodic: bool = True) -> Tensor:
    """Compute the power of the Fourier transform of frames under a Hann window, in 64 bits, since logarithms follow.

    Args:
        frames: [B, T, W].
        size: of the transform, at least W; frames are filled with zeros to it.
        periodic: whether the window is that of a period of W samples, or is symmetric.

    Returns:
        float64 [B, T, size // 2 + 1].
    """
    real, imaginary = _fourier_matrices(frames.shape[-1], size, periodic)
    framed = frames.double()
    return (framed @ real).square() + (framed @ imaginary).square()


@functools.cache
def _fourier_matrices(width: int, size: int, periodic: bool) -> tuple[Tensor, Tensor]:
    """Return the real and the imaginary part of the Fourier transform behind a Hann window, [W, size // 2 + 1]."""
    samples, bins = torch.arange(width), torch.arange(size // 2 + 1)
    angles = (samples[:, None] * bins[None] % size).double() * (2 * math.pi / size)
    window = torch.hann_window(width, periodic).double()[:, None]
    return window * angles.cos(), window * -angles.sin()


def centred_frames(waveforms: Tensor, size: int, hop: int) -> Tensor:
    """Cut frames whose middles are at 0, hop, 2 hop and so on, the ends mirrored, as `torch.stft` does.

    Args:
        waveforms: [B, N], of a fixed N > size / 2.
        size: of a frame.
        hop: between frames.

    Returns:
        [B, N // hop + 1, size].
    """
    last = waveforms.shape[1] - 1
    starts = torch.arange(0, last + 2, hop) - size // 2
    index = (starts[:, None] + torch.arange(size)[None]).abs()
    return waveforms[:, last - (last - index).abs()]


def prepare_visual_batch(modality: str, signals: Tensor, size: int, frames: int) -> Tensor:
    """Prepare images, or some frames of videos, as `prepare_visual` does one of them.

    Args:
        modality: `image` or `video`.
        signals: uint8 [B, H, W, 3], or [B, F, H, W, 3].
        size: side of the result in pixels.
        frames: number of frames to take of a video.

    Returns:
        float32 [B, 3, size, size], or [B, frames, 3, size, size].
    """
    if modality == "video":
        middles = (2 * torch.arange(frames) + 1) * signals.shape[1] // (2 * frames)
        signals = signals.index_select(1, middles)
    return normalise_images(signals.movedim(-1, -3), size)


def normalise_images(pixels: Tensor, size: int) -> Tensor:
    """Scale, crop and normalise as `normalise_image` does, for images of any height and width.

    A pixel differs by at most 1 of 255 from the result of PyTorch's own scaling, whose weights are whole numbers.

    Args:
        pixels: uint8 [..., 3, H, W].
        size: side of the result in pixels.

    Returns:
        float32 [..., 3, size, size].
    """
    height, width = (_as_tensor(side) for side in pixels.shape[-2:])
    rows = _resize_matrix(height, width, pixels.shape[-2], size)
    columns = _resize_matrix(width, height, pixels.shape[-1], size)
    # PyTorch scales rows first, and rounds in between
    across = (pixels.to(torch.float32) @ columns.T).round().clamp(0, 255)
    scaled = (rows @ across).round().clamp(0, 255)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (scaled / 255.0 - mean) / std


def _as_tensor(side: int) -> Tensor:
    return torch.full((), side, dtype=torch.float64)


def _resize_matrix(side: Tensor, other: Tensor, count: int, size: int) -> Tensor:
    """Return the weights with which the pixels of one axis make those of the scaled and cropped one.

    Bicubic with antialiasing, as `torch.nn.functional.interpolate` computes it for 8 bits.

    Args:
        side: number of pixels on this axis, as a scalar tensor.
        other: number of pixels on the other axis.
        count: number of pixels on this axis.
        size: number of pixels wanted.

    Returns:
        float32 [size, count].
    """
    longer = (size * torch.maximum(side, other) / torch.minimum(side, other)).floor()
    scaled = torch.where(side > other, longer, float(size))
    first = ((scaled - size) / 2).round()
    scale = side / scaled
    centres = scale * (first + torch.arange(size, dtype=torch.float64) + 0.5)
    distance = torch.arange(count, dtype=torch.float64)[None] + 0.5 - centres[:, None]
    weights = _cubic(distance / scale.clamp(min=1.0))
    return (weights / weights.sum(dim=1, keepdim=True)).to(torch.float32)


def _cubic(x: Tensor) -> Tensor:
    """Return Keys' cubic kernel with a = -0.5.  Keys, IEEE TASSP 1981."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
