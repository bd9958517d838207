"""Corruptions of a transmission channel: limited bandwidth and lost packets."""

import functools

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples

RATE = 16_000
PACKET = 320  # 20 ms, as in speech codecs


@audio_corruption(version=1, severities=(4000.0, 3000.0, 2000.0, 1000.0, 500.0), within=(10.0, 7000.0))
def low_pass(audio: Samples, cutoff: float, rng: Generator) -> Samples:
    """Remove the frequencies above a cutoff.

    A Butterworth filter of order 4, with its delay at low frequencies compensated.

    Args:
        audio: float32 [samples].
        cutoff: frequency that is attenuated by 3 dB, Hz.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    from scipy.signal import lfilter  # takes a second to import, so only here

    numerator, denominator, delay = _butterworth(float(cutoff))
    filtered = lfilter(numerator, denominator, np.pad(audio.astype(np.float64), (0, delay)))
    return np.asarray(filtered[delay:], np.float32)


@functools.lru_cache(maxsize=16)
def _butterworth(cutoff: float) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the filter's numerator, denominator, and its delay at low frequencies in whole samples.

    The filter includes a first-order all-pass (Thiran) that rounds the delay up to a whole number of samples.
    """
    from scipy.signal import butter, group_delay

    numerator, denominator = butter(4, cutoff, fs=RATE)
    _, delays = group_delay((numerator, denominator), w=[1.0], fs=RATE)
    delay = int(np.ceil(delays[0] + 0.5))
    added = delay - float(delays[0])
    pole = (1 - added) / (1 + added)
    return np.convolve(numerator, [pole, 1.0]), np.convolve(denominator, [1.0, pole]), delay


@audio_corruption(
    version=1,
    severities=((100.0, 4000.0), (200.0, 3600.0), (300.0, 3400.0), (400.0, 2600.0), (600.0, 1800.0)),
    within=((0.0, 8000.0), (10.0, 8000.0)),
)
def telephone_band(audio: Samples, low: float, high: float, rng: Generator) -> Samples:
    """Keep only a band of frequencies, as a telephone does (300 to 3400 Hz is the classic band).

    The magnitude response is that of a Butterworth filter of order 4 on each side; phases are unchanged.

    Args:
        audio: float32 [samples].
        low: lower frequency that is attenuated by 3 dB, Hz; 0 for no lower limit.
        high: upper frequency that is attenuated by 3 dB, Hz.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    return _band_passed(audio, low, high)


def _band_passed(audio: Samples, low: float, high: float) -> Samples:
    """Apply Butterworth magnitudes to the spectrum; phases are unchanged, so there is no delay."""
    # zero padding for the filter to decay in, so that the end of the clip does not wrap around to its start
    length = scipy.fft.next_fast_len(audio.size + RATE // 16, real=True)
    spectrum = scipy.fft.rfft(audio.astype(np.float64), length)
    spectrum *= _response(length, low, high)
    return scipy.fft.irfft(spectrum, length, overwrite_x=True)[: audio.size].astype(np.float32)


@functools.lru_cache(maxsize=16)
def _response(length: int, low: float, high: float) -> NDArray[np.float64]:
    """Return the gain of each bin of the spectrum.  [length // 2 + 1]"""
    frequencies = np.arange(length // 2 + 1) * (RATE / length)
    squared = 1 / (1 + (frequencies / high) ** 8)
    if low > 0:
        squared *= 1 - 1 / (1 + (frequencies / low) ** 8)
    return np.asarray(np.sqrt(squared))


@audio_corruption(version=1, severities=(0.05, 0.1, 0.2, 0.3, 0.5), within=(0.0, 1.0))
def packet_loss(audio: Samples, rate: float, rng: Generator) -> Samples:
    """Replace random packets of 20 ms by silence.

    Args:
        audio: float32 [samples].
        rate: probability that a packet is lost, 0 to 1.

    Returns float32 [samples].  The packets lost at one rate are also lost at every higher one.
    """
    packets = -(-audio.size // PACKET)
    lost = rng.random(packets) < rate
    received = audio.copy()
    received[np.repeat(lost, PACKET)[: audio.size]] = 0.0
    return received
