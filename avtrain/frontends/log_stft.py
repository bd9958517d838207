"""OGM-GE's front end: the log of a magnitude spectrogram, and images normalised as for ImageNet."""

import math
from dataclasses import dataclass

import soxr
import torch
from torch import Tensor
from torchaudio.functional import resample

from avtrain.frontends.base import SAMPLE_RATE, prepare_visual, visual_shapes

RATE = 22_050  # Hz, to which audio is resampled
WINDOW, HOP = 512, 353
FLOOR = 1e-7  # added to magnitudes, so that silence has a logarithm


@dataclass(frozen=True)
class StftFrontend:
    """Log spectrogram of a clip, repeated until it is long enough, and a square image or some frames of a video.

    Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022, released front end, which
    reads clips by librosa: audio is resampled by soxr (HQ) and limited to full scale, and the spectrogram sees zeros
    beyond the ends.

    Attributes:
        audio_seconds: length of the clip after repetition; longer ones are cut.
        image_size: side of an image or frame in pixels.
        frames: number of frames taken of a video.
        version: 1 for runs that were trained before there was a 2.  It resampled by torchaudio, whose filter lets
            images above 8 kHz through, and mirrored the ends.
    """

    audio_seconds: float = 3.0
    image_size: int = 224
    frames: int = 3
    version: int = 2

    @property
    def samples(self) -> int:
        """Length of a clip in samples at 22.05 kHz."""
        return round(self.audio_seconds * RATE)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample's input, by modality."""
        audio = (WINDOW // 2 + 1, self.samples // HOP + 1)
        return {"audio": audio, **visual_shapes(self.image_size, self.frames)}

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """Resample and repeat a clip; normalise an image or video.  signal: as for `AnyFrontend.prepare`."""
        if modality == "audio":
            resampled = resample_sharply(signal) if self.version > 1 else resample(signal, SAMPLE_RATE, RATE)
            return repeat_to_length(resampled, self.samples)
        return prepare_visual(modality, signal, self.image_size, self.frames)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""
        return (
            log_magnitude(prepared, "constant" if self.version > 1 else "reflect") if modality == "audio" else prepared
        )


def resample_sharply(waveform: Tensor) -> Tensor:
    """Resample from 16 kHz to 22.05 kHz as librosa does by default, and limit to full scale.

    Args:
        waveform: float32 [samples].

    Returns:
        [samples * 22,050 / 16,000, rounded up].
    """
    samples = math.ceil(len(waveform) * RATE / SAMPLE_RATE)
    resampled = torch.from_numpy(soxr.resample(waveform.numpy(), SAMPLE_RATE, RATE, quality="HQ")).clamp(-1.0, 1.0)
    return torch.nn.functional.pad(resampled[:samples], (0, max(0, samples - len(resampled))))


def repeat_to_length(waveform: Tensor, samples: int) -> Tensor:
    """Repeat a waveform, then cut it to length.

    Args:
        waveform: [at least one sample].
        samples: length of the result.

    Returns:
        [samples].
    """
    return waveform.repeat(math.ceil(samples / len(waveform)))[:samples]


def log_magnitude(waveforms: Tensor, ends: str = "constant") -> Tensor:
    """Compute log(|STFT| + 1e-7) with a Hann window of 512 samples every 353.

    Args:
        waveforms: float32 [B, samples].
        ends: what the windows see beyond the ends: zeros (`constant`), or the samples mirrored (`reflect`).

    Returns:
        [B, 257, samples // 353 + 1].
    """
    window = torch.hann_window(WINDOW, device=waveforms.device)
    spectrum = torch.stft(waveforms, WINDOW, HOP, window=window, pad_mode=ends, return_complex=True)
    return (spectrum.abs() + FLOOR).log()
