"""From signals to what OGM-GE's ResNet reads: the log of a magnitude spectrogram, ImageNet's normalised picture."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.functional import resample

from avtrain.frontends.whisper_mel import SAMPLE_RATE, prepare_visual, visual_shapes

RATE = 22_050  # that sounds are brought to
WINDOW, HOP = 512, 353
FLOOR = 1e-7  # added to magnitudes, so that silence has a logarithm


@dataclass(frozen=True)
class StftFrontend:
    """Log spectrogram of a clip, repeated until it is long enough, and a square picture, or some of a video.

    Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022, released front end.
    """

    audio_seconds: float = 3.0
    image_size: int = 224
    frames: int = 3

    @property
    def samples(self) -> int:
        """Of a clip at 22.05 kHz."""
        return round(self.audio_seconds * RATE)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one sample's inputs, by modality."""
        audio = (WINDOW // 2 + 1, self.samples // HOP + 1)
        return {"audio": audio, **visual_shapes(self.image_size, self.frames)}

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """One decoded signal: sound float32 [samples], picture uint8 [H, W, 3], video uint8 [F, H, W, 3]."""
        if modality == "audio":
            return repeat_to_length(resample(signal, SAMPLE_RATE, RATE), self.samples)
        return prepare_visual(modality, signal, self.image_size, self.frames)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Prepared signals, stacked [B, ...], to inputs [B, *shape]."""
        return log_magnitude(prepared) if modality == "audio" else prepared


def repeat_to_length(waveform: Tensor, samples: int) -> Tensor:
    """The clip again and again, cut to length.  waveform: [at least one].  Returns [samples]."""
    return waveform.repeat(math.ceil(samples / len(waveform)))[:samples]


def log_magnitude(waveforms: Tensor) -> Tensor:
    """log(|STFT| + 1e-7), frames of 512 samples under Hann's window around every 353rd, the ends mirrored.

    waveforms: float32 [B, samples].  Returns [B, 257, samples // 353 + 1].
    """
    window = torch.hann_window(WINDOW, device=waveforms.device)
    return (torch.stft(waveforms, WINDOW, HOP, window=window, return_complex=True).abs() + FLOOR).log()
