"""CAV-MAE's front end: Kaldi's log filter banks, and images normalised as for ImageNet."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from avtrain.frontends.base import SAMPLE_RATE, prepare_visual, visual_shapes
from avtrain.frontends.traceable import cut_or_pad, power_spectrum
from avtrain.frontends.traceable_image import prepare_visual_batch

WINDOW, HOP, MEL_BINS = 400, 160, 128
TRANSFORM = 512  # samples of the Fourier transform: the next power of two
PRE_EMPHASIS, LOWEST_HZ = 0.97, 20.0  # Kaldi's defaults


@dataclass(frozen=True)
class FbankFrontend:
    """Log filter banks of a clip in a fixed number of frames, and a square image or some frames of a video.

    Images equal those of the released loader to 2 of 255 grey levels: it scales by Pillow, which rounds otherwise.

    Attributes:
        audio_frames: frames of 10 ms; longer clips are cut, shorter ones end in zeros.
        image_size: side of an image or frame in pixels.
        mean: subtracted from the log filter banks, the zeros of padding included, as CAV-MAE was trained.
        std: they are then divided by it.
        frames: number of frames taken of a video.
    """

    audio_frames: int = 1024
    image_size: int = 224
    mean: float = -5.081
    std: float = 4.4849
    frames: int = 3

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample's input, by modality."""
        return {"audio": (MEL_BINS, self.audio_frames), **visual_shapes(self.image_size, self.frames)}

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """Compute filter banks, or normalise an image or video.  signal: as for `AnyFrontend.prepare`."""
        if modality != "audio":
            return prepare_visual(modality, signal, self.image_size, self.frames)
        banks = log_filter_banks(signal, self.audio_frames)
        padded = torch.nn.functional.pad(banks, (0, self.audio_frames - banks.shape[-1]))
        return (padded - self.mean) / self.std

    @property
    def fill(self) -> float:
        """Value that padding has, and what SpecAugment masks: a log filter bank of 0, normalised."""
        return -self.mean / self.std

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Return prepared signals, stacked to [B, ...], as they are: they are inputs already."""
        return prepared

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Prepare a batch of raw signals.  signals, lengths: as for `TraceableFrontend.prepare_batch`."""
        if lengths is None:
            return prepare_visual_batch(modality, signals, self.image_size, self.frames)
        return (_batched_filter_banks(signals, lengths, self.audio_frames) - self.mean) / self.std


def log_filter_banks(waveform: Tensor, most: int) -> Tensor:
    """Compute Kaldi's log filter banks of a clip whose mean is subtracted.

    Source: Gong et al., ICLR 2023, released front end.

    Args:
        waveform: float32 [samples] at 16 kHz, full scale 1.0.
        most: number of frames after which the clip is cut.

    Returns:
        [128, frames]: natural log of power, a frame of 25 ms every 10 ms; no frame for a clip shorter than 25 ms.
    """
    from torchaudio.compliance import kaldi  # its import takes a tenth of PyTorch's

    if len(waveform) < WINDOW:
        return waveform.new_zeros(MEL_BINS, 0)
    centred = (waveform - waveform.mean())[: (most - 1) * HOP + WINDOW]  # no frame beyond `most` is computed
    banks: Tensor = kaldi.fbank(
        centred[None],
        htk_compat=True,
        sample_frequency=SAMPLE_RATE,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=MEL_BINS,
        dither=0.0,
        frame_shift=1000 * HOP / SAMPLE_RATE,
    )
    return banks.T


def _batched_filter_banks(signals: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Compute Kaldi's log filter banks of clips.

    The mean of the clip is not subtracted, since Kaldi subtracts that of each frame.

    Args:
        signals: float32 [B, S] at 16 kHz.
        lengths: int64 [B], samples of each clip.
        count: number of frames.

    Returns:
        float32 [B, 128, count]: zeros where a clip has no whole frame.
    """
    clips = cut_or_pad(signals, lengths, (count - 1) * HOP + WINDOW).double()
    frames = clips[:, torch.arange(count)[:, None] * HOP + torch.arange(WINDOW)[None]]
    frames = frames - frames.mean(dim=2, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=2)
    power = power_spectrum(frames - PRE_EMPHASIS * before, TRANSFORM, periodic=False)
    banks = (power @ _mel_filters().double().T).clamp(min=torch.finfo(torch.float32).eps).log()
    whole = (lengths - WINDOW).div(HOP, rounding_mode="floor") + 1
    there = torch.arange(count)[None] < whole[:, None]
    return banks.where(there[..., None], 0.0).mT.to(torch.float32)


@functools.cache
def _mel_filters() -> Tensor:
    """Return Kaldi's triangular mel filters, [128, 257]."""
    from torchaudio.compliance import kaldi

    filters, _ = kaldi.get_mel_banks(MEL_BINS, TRANSFORM, SAMPLE_RATE, LOWEST_HZ, 0.0, 100.0, -500.0, 1.0)
    padded: Tensor = torch.nn.functional.pad(filters, (0, 1))
    return padded
