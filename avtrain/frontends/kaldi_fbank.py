"""CAV-MAE's front end: Kaldi's log filter banks, and images normalised as for ImageNet."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from avtrain.frontends.base import SAMPLE_RATE, prepare_visual, visual_shapes

WINDOW, HOP, MEL_BINS = 400, 160, 128


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


def log_filter_banks(waveform: Tensor, most: int) -> Tensor:
    """Compute Kaldi's log filter banks of a clip whose mean is subtracted.

    Source: Gong et al., ICLR 2023, released front end.

    Args:
        waveform: float32 [samples] at 16 kHz, full scale 1.0.
        most: number of frames after which the clip is cut.

    Returns:
        [128, frames]: natural log of power, a frame of 25 ms every 10 ms; no frame for a clip shorter than 25 ms.
    """
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
