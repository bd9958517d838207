"""From signals to what CAV-MAE reads: Kaldi's log filter banks, ImageNet's normalised picture."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from avtrain.frontends.whisper_mel import SAMPLE_RATE, prepare_visual, visual_shapes

WINDOW, HOP, MEL_BINS = 400, 160, 128


@dataclass(frozen=True)
class FbankFrontend:
    """Log filter banks of a clip in a fixed number of frames, and a square picture, or some of a video.

    mean, std: in units of the filter banks; padding is put in before they act, as CAV-MAE was trained.
    """

    audio_frames: int = 1024
    image_size: int = 224
    mean: float = -5.081
    std: float = 4.4849
    frames: int = 3

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one sample's inputs, by modality."""
        return {"audio": (MEL_BINS, self.audio_frames), **visual_shapes(self.image_size, self.frames)}

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """One decoded signal: sound float32 [samples], picture uint8 [H, W, 3], video uint8 [F, H, W, 3]."""
        if modality != "audio":
            return prepare_visual(modality, signal, self.image_size, self.frames)
        banks = log_filter_banks(signal, self.audio_frames)
        padded = torch.nn.functional.pad(banks, (0, self.audio_frames - banks.shape[-1]))
        return (padded - self.mean) / self.std

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Prepared signals, stacked [B, ...], are inputs already."""
        return prepared


def log_filter_banks(waveform: Tensor, most: int) -> Tensor:
    """The first `most` frames of Kaldi's filter banks of a clip without its mean.

    waveform: float32 [samples] at 16 kHz, full scale 1.0.  Returns [128, frames]: natural log of power, a frame of
    25 ms every 10 ms; none of a clip below 25 ms.  Source: Gong et al., ICLR 2023, released front end.
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
