"""Augmentation of spectrograms in training: bands and spans are masked, noise is added, and time is rolled."""

from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor

from avbuild.scenarios.seeding import rng_for

NOISE = 0.1  # upper limit of the noise, in units of the front end's output


@dataclass(frozen=True)
class SpectrogramAugmentation:
    """CAV-MAE's augmentation of log filter banks, a pure function of the run's seed, the epoch and the sample.

    Gong et al., ICLR 2023, released data loader; SpecAugment is by Park et al., Interspeech 2019.

    Attributes:
        seed: of the run.
        fill: value of what is masked: a filter bank of 0 before the front end normalises, which is that of padding.
        frequency_mask: a band of up to so many bins is masked; 0: none.
        time_mask: a span of up to so many frames is masked; 0: none.
    """

    seed: int
    fill: float
    frequency_mask: int = 0
    time_mask: int = 0

    def __call__(self, spectrogram: Tensor, sample: str, epoch: int) -> Tensor:
        """Mask, add noise and roll.

        Args:
            spectrogram: float32 [bins, frames], as the front end normalised it.
            sample: id.
            epoch: from 1.

        Returns:
            [bins, frames].
        """
        rng = rng_for(seed=self.seed, scenario="", sample=sample, modality="audio", op="spectrogram", epoch=epoch)
        masked = spectrogram.clone()
        masked[draw_span(masked.shape[0], self.frequency_mask, rng)] = self.fill
        masked[:, draw_span(masked.shape[1], self.time_mask, rng)] = self.fill
        noise = torch.from_numpy(rng.random(masked.shape, dtype="float32")) * (NOISE * rng.random())
        frames = masked.shape[1]
        return (masked + noise).roll(int(rng.integers(-frames, frames)), dims=1)


def draw_span(size: int, most: int, rng: Generator) -> slice:
    """Draw a span of uniformly distributed length and place, as torchaudio does.

    Args:
        size: length of the axis.
        most: the length is drawn from 0 to below this, or to `size` where that is less.
        rng: source of the draws.
    """
    length = rng.random() * min(most, size)
    start = int(rng.random() * (size - length))
    return slice(start, start + int(length))
