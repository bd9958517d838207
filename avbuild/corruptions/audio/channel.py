"""The line between microphone and listener: what it does not let through, and what it loses."""

import functools

import numpy as np
import scipy.fft
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples

RATE = 16_000
PACKET = 320  # 20 ms, as in speech codecs


@audio_corruption(version=1, severities=(4000.0, 3000.0, 2000.0, 1000.0, 500.0), within=(10.0, 7000.0))
def low_pass(audio: Samples, cutoff: float, rng: Generator) -> Samples:
    """Muffled: what lies above a frequency is lost.

    audio: float32 [samples].  cutoff: Hz, where 3 dB are gone.  Returns float32 [samples].  Draws nothing.
    A Butterworth filter of order 4, whose delay at low frequencies is taken back.
    """
    from scipy.signal import lfilter  # a second to load: only where it is used

    numerator, denominator, late = _butterworth(float(cutoff))
    filtered = lfilter(numerator, denominator, np.pad(audio.astype(np.float64), (0, late)))
    return np.asarray(filtered[late:], np.float32)


@functools.lru_cache(maxsize=16)
def _butterworth(cutoff: float) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Coefficients, and by how many whole samples the lowest frequencies come late.

    A first-order all-pass (Thiran's) adds the part of a sample that is wanting to a whole number.
    """
    from scipy.signal import butter, group_delay

    numerator, denominator = butter(4, cutoff, fs=RATE)
    _, delay = group_delay((numerator, denominator), w=[1.0], fs=RATE)
    late = int(np.ceil(delay[0] + 0.5))
    wanting = late - float(delay[0])
    pole = (1 - wanting) / (1 + wanting)
    return np.convolve(numerator, [pole, 1.0]), np.convolve(denominator, [1.0, pole]), late


@audio_corruption(
    version=1,
    severities=((100.0, 4000.0), (200.0, 3600.0), (300.0, 3400.0), (400.0, 2600.0), (600.0, 1800.0)),
    within=((0.0, 8000.0), (10.0, 8000.0)),
)
def telephone_band(audio: Samples, low: float, high: float, rng: Generator) -> Samples:
    """Through a telephone: what lies below and above a band is lost (300 to 3400 Hz is the classic one).

    audio: float32 [samples].  low, high: Hz, where 3 dB are gone.  Returns float32 [samples].  Draws nothing.
    The response is a Butterworth filter's of order 4 on each side, without its delay.
    """
    return _passed(audio, low, high)


def _passed(audio: Samples, low: float, high: float) -> Samples:
    """Butterworth magnitudes on the spectrum: no phase is touched, so nothing is late."""
    # room for the filter to ring out, so that the end does not come back at the start
    length = scipy.fft.next_fast_len(audio.size + RATE // 16, real=True)
    spectrum = scipy.fft.rfft(audio.astype(np.float64), length)
    spectrum *= _response(length, low, high)
    return scipy.fft.irfft(spectrum, length, overwrite_x=True)[: audio.size].astype(np.float32)


@functools.lru_cache(maxsize=16)
def _response(length: int, low: float, high: float) -> NDArray[np.float64]:
    frequencies = np.arange(length // 2 + 1) * (RATE / length)
    squared = 1 / (1 + (frequencies / high) ** 8)
    if low > 0:
        squared *= 1 - 1 / (1 + (frequencies / low) ** 8)
    return np.asarray(np.sqrt(squared))


@audio_corruption(version=1, severities=(0.05, 0.1, 0.2, 0.3, 0.5), within=(0.0, 1.0))
def packet_loss(audio: Samples, rate: float, rng: Generator) -> Samples:
    """Dropouts: packets of 20 ms that never arrive, and silence in their place.

    audio: float32 [samples].  rate: probability that a packet is lost.  Returns float32 [samples].  The packets lost at
    one rate are lost at every higher one.
    """
    packets = -(-audio.size // PACKET)
    lost = rng.random(packets) < rate
    received = audio.copy()
    received[np.repeat(lost, PACKET)[: audio.size]] = 0.0
    return received
