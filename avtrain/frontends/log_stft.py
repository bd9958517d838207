"""OGM-GE's front end: the log of a magnitude spectrogram, and images normalised as for ImageNet."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from avtrain.frontends.base import SAMPLE_RATE, prepare_visual, visual_shapes
from avtrain.frontends.traceable import centred_frames, cut_or_pad, power_spectrum
from avtrain.frontends.traceable_image import prepare_visual_batch

RATE = 22_050  # Hz, to which audio is resampled
WINDOW, HOP = 512, 353
FLOOR = 1e-7  # added to magnitudes, so that silence has a logarithm


@dataclass(frozen=True)
class StftFrontend:
    """Log spectrogram of a clip, repeated until it is long enough, and a square image or some frames of a video.

    Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022, released front end.

    Attributes:
        audio_seconds: length of the clip after repetition; longer ones are cut.
        image_size: side of an image or frame in pixels.
        frames: number of frames taken of a video.
    """

    audio_seconds: float = 3.0
    image_size: int = 224
    frames: int = 3

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
            from torchaudio.functional import resample  # its import takes a tenth of PyTorch's

            return repeat_to_length(resample(signal, SAMPLE_RATE, RATE), self.samples)
        return prepare_visual(modality, signal, self.image_size, self.frames)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""
        return log_magnitude(prepared) if modality == "audio" else prepared

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Prepare a batch of raw signals.  signals, lengths: as for `TraceableFrontend.prepare_batch`."""
        if lengths is None:
            return prepare_visual_batch(modality, signals, self.image_size, self.frames)
        clips = _resample_and_repeat(signals, lengths, self.samples)
        power = power_spectrum(centred_frames(clips, WINDOW, HOP), WINDOW)
        return (power.sqrt() + FLOOR).log().mT.to(torch.float32)


def repeat_to_length(waveform: Tensor, samples: int) -> Tensor:
    """Repeat a waveform, then cut it to length.

    Args:
        waveform: [at least one sample].
        samples: length of the result.

    Returns:
        [samples].
    """
    return waveform.repeat(math.ceil(samples / len(waveform)))[:samples]


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


def log_magnitude(waveforms: Tensor) -> Tensor:
    """Compute log(|STFT| + 1e-7) with a Hann window of 512 samples every 353, the ends mirrored.

    Args:
        waveforms: float32 [B, samples].

    Returns:
        [B, 257, samples // 353 + 1].
    """
    window = torch.hann_window(WINDOW, device=waveforms.device)
    return (torch.stft(waveforms, WINDOW, HOP, window=window, return_complex=True).abs() + FLOOR).log()
