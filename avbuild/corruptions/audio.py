"""Corruptions of a waveform. Each is pure: the same samples, level and generator give the same output."""

import numpy as np
from numpy.random import Generator

from avbuild.corruptions.registry import Samples, audio_corruption


@audio_corruption(version=1, severities=(20.0, 15.0, 10.0, 5.0, 0.0), within=(-60.0, 120.0))
def gaussian_noise(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """White noise at a signal-to-noise ratio.

    audio: float32 [samples], full scale 1.0.  snr_db: decibels.  Returns float32 [samples].
    A silent clip has no ratio: it comes back unchanged.
    """
    power = np.mean(np.square(audio, dtype=np.float64))
    if power == 0.0:
        return audio
    noise = rng.standard_normal(audio.shape, dtype=np.float32)
    # scale by the noise that was drawn, not by its expectation: the ratio is then exact for short clips too
    gain = np.sqrt(power / np.mean(np.square(noise, dtype=np.float64)) / 10 ** (snr_db / 10))
    return audio + np.float32(gain) * noise


@audio_corruption(version=1, severities=(0.1, 0.2, 0.3, 0.4, 0.5), within=(0.0, 0.5))
def time_shift(audio: Samples, most: float, rng: Generator) -> Samples:
    """The clip starts later or earlier, and what leaves one end enters at the other.

    audio: float32 [samples].  most: largest shift as a fraction of the clip; the shift is uniform in +-most.
    Returns float32 [samples].
    """
    shift = round(rng.uniform(-1.0, 1.0) * most * audio.size)
    return np.roll(audio, shift)


@audio_corruption(version=1, severities=(0.1, 0.2, 0.3, 0.4, 0.5), within=(0.0, 1.0))
def time_mask(audio: Samples, fraction: float, rng: Generator) -> Samples:
    """One stretch of silence, anywhere in the clip.

    audio: float32 [samples].  fraction: length of the stretch, 0 to 1 of the clip.  Returns float32 [samples].
    """
    length = round(fraction * audio.size)
    start = round(rng.uniform() * (audio.size - length))
    masked = audio.copy()
    masked[start : start + length] = 0.0
    return masked
