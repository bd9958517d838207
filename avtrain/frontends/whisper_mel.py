"""Whisper's front end: its log-mel spectrogram, and images normalised as for ImageNet."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from avtrain.frontends.base import SAMPLE_RATE, prepare_visual, visual_shapes
from avtrain.frontends.traceable import centred_frames, cut_or_pad, power_spectrum
from avtrain.frontends.traceable_image import prepare_visual_batch

WINDOW, HOP, MEL_BINS = 400, 160, 80


@dataclass(frozen=True)
class Frontend:
    """Whisper's log-mel spectrogram of a clip of fixed length, and a square image or some frames of a video.

    Attributes:
        audio_seconds: length of the clip; longer ones are cut, shorter ones end in zeros.
        image_size: side of an image or frame in pixels.
        frames: number of frames taken of a video.
    """

    audio_seconds: float
    image_size: int
    frames: int = 3

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample's input, by modality."""
        steps = round(self.audio_seconds * SAMPLE_RATE) // HOP
        return {"audio": (MEL_BINS, steps), **visual_shapes(self.image_size, self.frames)}

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """Cut or pad a clip; scale and normalise an image or video.  signal: as for `AnyFrontend.prepare`."""
        if modality == "audio":
            return fit_length(signal, round(self.audio_seconds * SAMPLE_RATE))
        return prepare_visual(modality, signal, self.image_size, self.frames)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""
        return log_mel(prepared) if modality == "audio" else prepared

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Prepare a batch of raw signals.  signals, lengths: as for `TraceableFrontend.prepare_batch`."""
        if lengths is None:
            return prepare_visual_batch(modality, signals, self.image_size, self.frames)
        clips = cut_or_pad(signals, lengths, round(self.audio_seconds * SAMPLE_RATE))
        frames = centred_frames(clips, WINDOW, HOP)[:, :-1]
        return _log_mel_of(power_spectrum(frames, WINDOW).mT).to(torch.float32)


def fit_length(waveform: Tensor, samples: int) -> Tensor:
    """Cut a waveform at its end, or append zeros.

    Args:
        waveform: [any number of samples].
        samples: length of the result.

    Returns:
        [samples].
    """
    return torch.nn.functional.pad(waveform[:samples], (0, max(0, samples - waveform.shape[-1])))


def log_mel(waveforms: Tensor) -> Tensor:
    """Compute Whisper's log-mel spectrogram, without its padding to 30 s.

    Source: Radford et al., ICML 2023, section 2.2.

    Args:
        waveforms: float32 [B, samples] at 16 kHz, full scale 1.0.

    Returns:
        [B, 80, samples // 160]: x = log10 of the mel power, clipped at 8 below the loudest value of its clip, then
        (x + 4) / 4.
    """
    window = torch.hann_window(WINDOW, device=waveforms.device)
    transformed = torch.stft(waveforms, WINDOW, HOP, window=window, return_complex=True)[..., :-1]
    return _log_mel_of(transformed.real.square() + transformed.imag.square())


def _log_mel_of(power: Tensor) -> Tensor:
    """Return the log-mel spectrogram of a power spectrum, [B, 201, frames] to [B, 80, frames]."""
    mel = (_filters().to(power) @ power).clamp(min=1e-10).log10()
    loudest = mel.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(mel, loudest - 8.0) + 4.0) / 4.0


@functools.cache
def _filters() -> Tensor:
    """Return [80, 201]: triangular filters on Slaney's mel scale, each of unit area, 0 to 8 kHz."""
    from torchaudio.functional import melscale_fbanks  # its import takes a tenth of PyTorch's

    filters: Tensor = melscale_fbanks(
        n_freqs=WINDOW // 2 + 1,
        f_min=0.0,
        f_max=SAMPLE_RATE / 2,
        n_mels=MEL_BINS,
        sample_rate=SAMPLE_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.T.contiguous()
