"""Corruptions of time and pitch: shift, mask, speed, pitch."""

import numpy as np
import scipy
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples

RATE = 16_000
WINDOW, HOP = 1024, 256


@audio_corruption(version=1, severities=(0.1, 0.2, 0.3, 0.4, 0.5), within=(0.0, 0.5))
def time_shift(audio: Samples, most: float, rng: Generator) -> Samples:
    """Shift the clip circularly in time by a random amount.

    Args:
        audio: float32 [samples].
        most: largest shift as a fraction of the clip, 0 to 0.5; the shift is uniform in -most to +most.

    Returns float32 [samples].
    """
    shift = round(rng.uniform(-1.0, 1.0) * most * audio.size)
    return np.roll(audio, shift)


@audio_corruption(version=1, severities=(0.1, 0.2, 0.3, 0.4, 0.5), within=(0.0, 1.0))
def time_mask(audio: Samples, fraction: float, rng: Generator) -> Samples:
    """Silence one random stretch of the clip.

    Args:
        audio: float32 [samples].
        fraction: length of the stretch as a fraction of the clip, 0 to 1.

    Returns float32 [samples].
    """
    length = round(fraction * audio.size)
    start = round(rng.uniform() * (audio.size - length))
    masked = audio.copy()
    masked[start : start + length] = 0.0
    return masked


@audio_corruption(version=1, severities=(1.05, 1.1, 1.2, 1.35, 1.5), within=(1.0, 4.0))
def speed(audio: Samples, factor: float, rng: Generator) -> Samples:
    """Play the clip faster or slower, which changes its pitch too.

    Args:
        audio: float32 [samples].
        factor: speed, 1 or more; `factor` and `1 / factor` are equally likely.

    Returns float32 [samples]: a slower clip is cut at the end, a faster one is followed by silence.
    """
    rate = factor if rng.uniform() < 0.5 else 1 / factor
    return _fitted(_resampled(audio, 1 / rate), audio.size)


@audio_corruption(version=1, severities=(1.0, 2.0, 3.0, 4.0, 6.0), within=(0.0, 24.0))
def pitch(audio: Samples, semitones: float, rng: Generator) -> Samples:
    """Shift the pitch up or down at constant speed, by a phase vocoder and resampling.

    Args:
        audio: float32 [samples].
        semitones: size of the shift; up and down are equally likely.

    Returns float32 [samples]; a clip of under 1024 samples comes back unchanged.
    """
    ratio = 2 ** ((semitones if rng.uniform() < 0.5 else -semitones) / 12)
    if ratio == 1 or audio.size < WINDOW:
        return audio.copy()
    return _fitted(_resampled(_stretched(audio, ratio), 1 / ratio), audio.size)


def _resampled(audio: Samples, ratio: float) -> Samples:
    """Resample to `ratio` times as many samples."""
    return np.asarray(soxr.resample(audio, RATE, RATE * ratio, quality="MQ"), np.float32)


def _stretched(audio: Samples, ratio: float) -> Samples:
    """Stretch the clip to `ratio` times its length at constant pitch (phase vocoder, Flanagan and Golden 1966).

    Each bin of an output frame interpolates the magnitudes of the input frames around it, and its phase advances by
    what it gained over one hop of the input.
    """
    window = np.hanning(WINDOW + 1)[:-1]
    padded = np.pad(audio.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * window
    spectrum = scipy.fft.rfft(frames, axis=1)
    position = np.arange(0, len(spectrum) - 1, 1 / ratio)
    before = position.astype(np.intp)
    part = (position - before)[:, None]
    size = np.abs(spectrum)
    # phase advances are unit vectors, multiplied along time, so that no angle needs to be unwrapped
    turn = _unit(spectrum[1:] * spectrum[:-1].conj())
    turned = np.cumprod(np.concatenate([_unit(spectrum[:1]), turn.take(before[:-1], axis=0)]), axis=0)
    grown = np.diff(size, axis=0).take(before, axis=0)
    grown *= part
    grown += size.take(before, axis=0)
    turned *= grown
    return _overlapped(scipy.fft.irfft(turned, WINDOW, axis=1, overwrite_x=True) * window, round(audio.size * ratio))


def _unit(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Divide each value by its magnitude; zero becomes 1."""
    shifted = values + 1e-100
    shifted /= np.abs(shifted)
    return shifted


def _overlapped(frames: NDArray[np.float64], length: int) -> Samples:
    """Overlap-add windowed frames one hop apart; squared Hann windows at a quarter of their length sum to 1.5."""
    quarters = frames.reshape(len(frames), WINDOW // HOP, HOP)
    rows = np.zeros((len(frames) + WINDOW // HOP - 1, HOP))
    for index in range(WINDOW // HOP):
        rows[index : index + len(frames)] += quarters[:, index]
    return _fitted(rows.ravel()[WINDOW // 2 :].astype(np.float32) / np.float32(1.5), length)


def _fitted(audio: Samples, length: int) -> Samples:
    """Cut the clip to a length, or pad it with silence."""
    return np.pad(audio[:length], (0, max(0, length - audio.size)))
