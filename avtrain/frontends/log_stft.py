"""OGM-GE's front end: the log of a magnitude spectrogram, and images normalised as for ImageNet."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from avtrain.frontends.base import SAMPLE_RATE, prepare_visual, visual_shapes
from avtrain.frontends.traceable import centred_frames, cut_or_pad, power_spectrum
from avtrain.frontends.traceable_image import prepare_visual_batch

RATE = 22_050  # Hz, to which audio is resampled
WINDOW, HOP = 512, 353
STEP, STEPS_OUT = 320, 441  # samples at 16 and at 22.05 kHz of the same duration
REACH = 160  # samples at 16 kHz, of soxr's filter to either side; it has 99
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
            if self.version > 1:
                return repeat_to_length(resample_sharply(signal), self.samples)
            from torchaudio.functional import resample  # its import takes a tenth of PyTorch's

            return repeat_to_length(resample(signal, SAMPLE_RATE, RATE), self.samples)
        return prepare_visual(modality, signal, self.image_size, self.frames)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""
        return (
            log_magnitude(prepared, "constant" if self.version > 1 else "reflect") if modality == "audio" else prepared
        )

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Prepare a batch of raw signals.  signals, lengths: as for `TraceableFrontend.prepare_batch`."""
        if lengths is None:
            return prepare_visual_batch(modality, signals, self.image_size, self.frames)
        if self.version > 1:
            clips = _resample_sharply_and_repeat(signals, lengths, self.samples)
        else:
            clips = _resample_and_repeat(signals, lengths, self.samples)
        power = power_spectrum(centred_frames(clips, WINDOW, HOP, mirrored=self.version == 1), WINDOW)
        return (power.sqrt() + FLOOR).log().mT.to(torch.float32)


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


def _resample_sharply_and_repeat(signals: Tensor, lengths: Tensor, samples: int) -> Tensor:
    """Do what `resample_sharply` and `repeat_to_length` do, to rounding; arguments: see `_resample_and_repeat`."""
    kernel, start = _sharp_resampling()
    blocks = math.ceil(samples / STEPS_OUT)
    clips = cut_or_pad(signals, lengths, blocks * STEP + REACH)  # all that the samples of the result depend on
    padded = torch.nn.functional.pad(clips, (REACH, 0))[:, None]
    resampled = torch.nn.functional.conv1d(padded, kernel, stride=STEP).mT.flatten(1)
    resampled = torch.cat([clips[:, :REACH] @ start, resampled[:, start.shape[1] :]], dim=1).clamp(-1.0, 1.0)
    whole = lengths.clamp(min=1) * STEPS_OUT
    index = torch.arange(samples)[None] % ((whole + STEP - 1) // STEP)[:, None]
    written = (2 * whole + STEP) // (2 * STEP)  # soxr writes the nearest whole number of samples, a half rounded up
    return resampled.gather(1, index).where(index < written[:, None], 0.0)


@functools.cache
def _sharp_resampling() -> tuple[Tensor, Tensor]:
    """Return soxr's filter: a kernel [441, 1, K] for blocks of 320 samples, a matrix [160, 8] for its first outputs.

    They are its responses to impulses, since it is linear, and repeats itself every 320 samples but for its start.
    """
    block = 4  # far enough from the start
    span = 2 * REACH + STEP
    impulses = np.zeros((2 * block * STEP + span, span))
    impulses[block * STEP - REACH + np.arange(span), np.arange(span)] = 1.0
    responses = _resample_columns(impulses)[block * STEPS_OUT : (block + 1) * STEPS_OUT]
    first = _resample_columns(np.eye(4 * REACH, REACH))[:8]
    return torch.from_numpy(responses).float()[:, None], torch.from_numpy(first.T.copy()).float()


def _resample_columns(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    parts = np.split(signals, range(64, signals.shape[1], 64), axis=1)  # soxr has a limit of channels
    return np.concatenate([soxr.resample(part, SAMPLE_RATE, RATE, quality="HQ") for part in parts], axis=1)


def _resample_and_repeat(signals: Tensor, lengths: Tensor, samples: int) -> Tensor:
    """Resample clips to 22.05 kHz, then repeat each until it is long enough.

    Args:
        signals: float32 [B, S] at 16 kHz.
        lengths: int64 [B], samples of each clip.
        samples: length of the result.

    Returns:
        [B, samples].
    """
    kernel, width, step, steps_out = _resampling()
    blocks = math.ceil(samples / steps_out)
    clips = cut_or_pad(signals, lengths, blocks * step + width)  # all that the samples of the result depend on
    padded = torch.nn.functional.pad(clips, (width, 0))[:, None]
    resampled = torch.nn.functional.conv1d(padded, kernel, stride=step).mT.flatten(1)
    # the ratio is rounded to 32 bits, as `resample` does it
    ends = (lengths.clamp(min=1).double() * steps_out / step).to(torch.float32).ceil().long()
    return resampled.gather(1, torch.arange(samples)[None] % ends[:, None])


@functools.cache
def _resampling() -> tuple[Tensor, int, int, int]:
    """Return the kernel of `resample` [441, 1, K], half its excess width, and samples in and out for each step."""
    from torchaudio.transforms import Resample

    transform = Resample(SAMPLE_RATE, RATE, dtype=torch.float32)
    step, steps_out = SAMPLE_RATE // transform.gcd, RATE // transform.gcd
    return transform.kernel, transform.width, step, steps_out


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
