"""Reverberation of a room between the source and the microphone."""

import functools

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.draws import normals
from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples

RATE = 16_000


@audio_corruption(
    version=1,
    severities=((0.2, 6.0), (0.4, 3.0), (0.7, 0.0), (1.2, -3.0), (2.0, -6.0)),
    within=((0.01, 20.0), (-60.0, 60.0)),
)
def reverberation(audio: Samples, rt60: float, direct_db: float, rng: Generator) -> Samples:
    """Add the reverberation of a room.

    The impulse response is the direct sound followed, 2 to 20 ms later, by Gaussian noise with an exponential envelope
    (Polack's model). The energy of the clip is preserved.

    Args:
        audio: float32 [samples].
        rt60: reverberation time, seconds until the response has fallen by 60 dB.
        direct_db: energy of the direct sound relative to that of the reverberation, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    power = _energy(audio)
    if power == 0.0:
        return audio
    begins = int(rng.uniform(0.002, 0.02) * RATE)
    # reverberation after the end of the clip is cut off, so it need not be computed
    length = min(int(rt60 * RATE), audio.size)
    tail = normals((length,), rng) * _envelope(rt60, length)
    tail /= np.sqrt(_energy(tail) * 10 ** (direct_db / 10))
    answer = np.concatenate([[1.0], np.zeros(begins), tail])
    size = scipy.fft.next_fast_len(audio.size + answer.size - 1, real=True)
    spectrum = scipy.fft.rfft(audio.astype(np.float64), size)
    spectrum *= scipy.fft.rfft(answer, size)
    wet = scipy.fft.irfft(spectrum, size, overwrite_x=True)[: audio.size]
    wet *= np.sqrt(power / _energy(wet))
    return wet.astype(np.float32)


def _energy(wave: NDArray[np.floating]) -> float:
    """Return the sum of squares."""
    return float(np.einsum("i,i->", wave, wave, dtype=np.float64))


@functools.lru_cache(maxsize=16)
def _envelope(rt60: float, length: int) -> NDArray[np.float64]:
    """Return an exponential that falls by 60 dB in `rt60` seconds.  [length]"""
    return np.asarray(np.exp(-3 * np.log(10) / rt60 * np.arange(length) / RATE))
