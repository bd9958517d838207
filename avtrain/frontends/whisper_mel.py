"""From signals to what encoders read: Whisper's log-mel spectrogram, ImageNet's normalised picture."""

import functools
from dataclasses import dataclass
from typing import Protocol

import torch
import torchaudio
from torch import Tensor
from torchvision.transforms.v2 import functional as pictures

SAMPLE_RATE = 16_000
WINDOW, HOP, MEL_BINS = 400, 160, 80
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class AnyFrontend(Protocol):
    """What makes a backbone's inputs from signals; `Frontend` says what each part does."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]: ...

    def prepare(self, modality: str, signal: Tensor) -> Tensor: ...

    def finish(self, modality: str, prepared: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Frontend:
    """What a backbone reads: Whisper's log-mel of a clip of fixed length, and a square picture, or some of a video.

    A sample is prepared alone, by the processes that load; what is cheaper for a whole batch is done for it.
    """

    audio_seconds: float
    image_size: int
    frames: int = 3

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one sample's inputs, by modality."""
        steps = round(self.audio_seconds * SAMPLE_RATE) // HOP
        return {"audio": (MEL_BINS, steps), **visual_shapes(self.image_size, self.frames)}

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """One decoded signal: sound float32 [samples], picture uint8 [H, W, 3], video uint8 [F, H, W, 3]."""
        if modality == "audio":
            return fit_length(signal, round(self.audio_seconds * SAMPLE_RATE))
        return prepare_visual(modality, signal, self.image_size, self.frames)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Prepared signals, stacked [B, ...], to inputs [B, *shape]."""
        return log_mel(prepared) if modality == "audio" else prepared


def fit_length(waveform: Tensor, samples: int) -> Tensor:
    """Zeros at the end, or the end cut off.  waveform: [any].  Returns [samples]."""
    return torch.nn.functional.pad(waveform[:samples], (0, max(0, samples - waveform.shape[-1])))


def log_mel(waveforms: Tensor) -> Tensor:
    """Whisper's log-mel spectrogram, without its padding to 30 s.

    waveforms: float32 [B, samples] at 16 kHz, full scale 1.0.  Returns [B, 80, samples // 160]: log10 of the mel power,
    at most 8 below the loudest of its clip, then (x + 4) / 4.  Source: Radford et al., ICML 2023, section 2.2.
    """
    window = torch.hann_window(WINDOW, device=waveforms.device)
    spectrum = torch.stft(waveforms, WINDOW, HOP, window=window, return_complex=True)[..., :-1]
    power = spectrum.real.square() + spectrum.imag.square()
    mel = (_filters().to(waveforms.device) @ power).clamp(min=1e-10).log10()
    loudest = mel.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(mel, loudest - 8.0) + 4.0) / 4.0


@functools.cache
def _filters() -> Tensor:
    """[80, 201]: triangles on Slaney's mel scale, each of unit area, 0 to 8 kHz."""
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        n_freqs=WINDOW // 2 + 1,
        f_min=0.0,
        f_max=SAMPLE_RATE / 2,
        n_mels=MEL_BINS,
        sample_rate=SAMPLE_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.T.contiguous()


def visual_shapes(size: int, frames: int) -> dict[str, tuple[int, ...]]:
    """Of what `prepare_visual` returns."""
    return {"image": (3, size, size), "video": (frames, 3, size, size)}


def prepare_visual(modality: str, signal: Tensor, size: int, frames: int) -> Tensor:
    """A picture uint8 [H, W, 3] to float32 [3, size, size]; a video uint8 [F, H, W, 3] to [frames, 3, size, size]."""
    chosen = signal[spread(len(signal), frames)] if modality == "video" else signal
    return normalise_picture(chosen.movedim(-1, -3), size)


def spread(there: int, wanted: int) -> list[int]:
    """Which frames of a video are taken: the middles of `wanted` equal parts; where there are fewer, all, repeated."""
    return [(2 * part + 1) * there // (2 * wanted) for part in range(wanted)]


def normalise_picture(pixels: Tensor, size: int) -> Tensor:
    """Shorter side to `size` (bicubic, antialiased), centre crop, ImageNet's mean and deviation.

    pixels: uint8 [..., 3, H, W].  Returns float32 [..., 3, size, size].
    """
    if pixels.shape[-2:] != (size, size):
        bicubic = pictures.InterpolationMode.BICUBIC
        pixels = pictures.resize(pixels, [size], interpolation=bicubic, antialias=True)
        pixels = pictures.center_crop(pixels, [size, size])
    scaled = pixels.to(torch.float32) / 255.0
    normalised: Tensor = pictures.normalize(scaled, list(IMAGENET_MEAN), list(IMAGENET_STD))
    return normalised
