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


def centred_frames(waveforms: Tensor, size: int, hop: int, mirrored: bool = True) -> Tensor:
    """Cut frames whose middles are at 0, hop, 2 hop and so on, as `torch.stft` does.

    Args:
        waveforms: [B, N], of a fixed N > size / 2.
        size: of a frame.
        hop: between frames.
        mirrored: whether frames see the ends mirrored, or zeros beyond them.

    Returns:
        [B, N // hop + 1, size].
    """
    last = waveforms.shape[1] - 1
    starts = torch.arange(0, last + 2, hop) - size // 2
    if not mirrored:
        padded = torch.nn.functional.pad(waveforms, (size // 2, size // 2))
        return padded[:, starts[:, None] + size // 2 + torch.arange(size)[None]]
    index = (starts[:, None] + torch.arange(size)[None]).abs()
    return waveforms[:, last - (last - index).abs()]
