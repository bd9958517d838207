"""Add noise at a signal-to-noise ratio: white, coloured, or from the user's own recordings."""

import functools
from typing import Protocol

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.draws import normals
from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples


class Clips(Protocol):
    """Recordings to use as noise."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Samples:
        """Return one recording, float32 [samples]."""
        ...


SNR = (20.0, 15.0, 10.0, 5.0, 0.0)
SNR_WITHIN = (-60.0, 120.0)


def mix(audio: Samples, noise: NDArray[np.floating], snr_db: float) -> Samples:
    """Add noise to a clip at an exact signal-to-noise ratio.

    Args:
        audio: float32 [samples].
        noise: [samples], of any level.
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples].  A silent clip has no ratio and silent noise cannot reach one: the clip then comes back
    unchanged.
    """
    power = np.mean(np.square(audio, dtype=np.float64))
    # scale by the power of the noise that was drawn, not by its expectation: exact for short clips too
    noise_power = np.mean(np.square(noise, dtype=np.float64))
    if power == 0.0 or noise_power == 0.0:
        return audio
    gain = np.sqrt(power / noise_power / 10 ** (snr_db / 10))
    mixed = noise * np.float32(gain) if noise.dtype == np.float32 else noise * gain
    mixed += audio
    return mixed.astype(np.float32, copy=False)


@audio_corruption(version=2, severities=SNR, within=SNR_WITHIN)
def gaussian_noise(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add white noise at a signal-to-noise ratio.

    Args:
        audio: float32 [samples], full scale 1.0.
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip has no ratio and comes back unchanged.
    """
    return mix(audio, normals(audio.shape, rng), snr_db)


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def pink_noise(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add pink noise, whose power falls by 3 dB per octave.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    return mix(audio, coloured(audio.size, 1.0, rng), snr_db)


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def brown_noise(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add brown noise, whose power falls by 6 dB per octave above 20 Hz.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    return mix(audio, coloured(audio.size, 2.0, rng), snr_db)


def coloured(samples: int, exponent: float, rng: Generator, sample_rate: int = 16_000) -> NDArray[np.float64]:
    """Draw Gaussian noise with power proportional to 1 / f ** exponent, flat below 20 Hz, without a constant part.

    The spectrum is drawn directly, so that one inverse transform is all there is to compute.

    Args:
        samples: length of the result.
        exponent: 1 for pink noise, 2 for brown noise.
        rng: generator of the spectrum.
        sample_rate: Hz.

    Returns float64 [samples], of arbitrary level.
    """
    length = scipy.fft.next_fast_len(max(2, samples), real=True)
    shape = _power_law(length, exponent, sample_rate)
    spectrum = normals((2 * shape.size,), rng).astype(np.float64).view(np.complex128)
    spectrum *= shape
    noise: NDArray[np.float64] = scipy.fft.irfft(spectrum, length, overwrite_x=True)[:samples]
    return noise


@functools.lru_cache(maxsize=16)
def _power_law(length: int, exponent: float, sample_rate: int) -> NDArray[np.float64]:
    """Return the amplitude of each bin of the spectrum.  [length // 2 + 1]"""
    frequencies = np.arange(length // 2 + 1) * (sample_rate / length)
    shape: NDArray[np.float64] = np.maximum(frequencies, 20.0) ** (-exponent / 2)
    shape[0] = 0.0
    return shape


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def ambient_noise(audio: Samples, snr_db: float, rng: Generator, *, clips: Clips) -> Samples:
    """Add a random excerpt of your own recordings: `{ambient_noise: {clips: FOLDER, snr_db: 5}}`.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.
        clips: recordings of a folder. One is drawn at random, then the start of the excerpt; a recording shorter than
            the clip is repeated.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    noise = clips.read(int(rng.integers(len(clips))))
    start = int(rng.integers(max(1, noise.size - audio.size + 1)))
    return mix(audio, np.resize(noise[start:], audio.shape), snr_db)
