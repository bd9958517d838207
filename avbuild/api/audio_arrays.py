"""Audio given as an array: checked, turned into the samples that corruptions and models take, and turned back."""

import operator
from typing import Any

import numpy as np
import soxr

from avbuild.api.arrays import Array, Restore, as_array
from avbuild.errors import UsageError
from avbuild.modalities.audio import FULL_SCALE, RATES, SAMPLE_RATE, quantise_audio
from avbuild.modalities.base import Samples

DTYPES = ("float32", "float64", "int16")
MOST_CHANNELS = 8  # more are no channels: an image, or a batch of clips
OVERSHOOT = 8.0  # peaks up to here come from decoding or resampling; higher ones are whole numbers taken as floats


def take_audio(value: Any, loudest: float = 1.0) -> tuple[Samples, Restore]:
    """Return a clip as samples, and the function that turns samples into the kind of array that was given.

    Args:
        value: NumPy array or PyTorch tensor, [samples], [1, samples] or [samples, 1]; float32 or float64 with full
            scale 1.0, or int16.
        loudest: highest peak allowed, full scale 1.0.

    Returns float32 [samples], and the function.
    Raises UsageError that says what is wrong with the clip, and how to make it right.
    """
    array, to_kind = as_array(value, "audio")
    if array.dtype.name not in DTYPES or not array.dtype.isnative:
        raise UsageError(f"audio: dtype {array.dtype}; allowed are float32 and float64 with full scale 1.0, and int16")
    samples = _mono(array)
    if array.dtype == np.int16:
        return samples.astype(np.float32) / np.float32(FULL_SCALE), lambda result: to_kind(
            np.rint(result * FULL_SCALE).astype(np.int16).reshape(array.shape)
        )
    if not np.isfinite(samples).all():
        raise UsageError("audio: holds NaN or infinite values")
    if (peak := float(np.abs(samples).max())) > loudest:
        raise UsageError(
            f"audio: its peak is {peak:,.5g}, where full scale is 1.0; divide whole numbers of 16 bits by 32768, and a "
            "clip that is too loud by its peak"
        )
    return samples.astype(np.float32), lambda result: to_kind(result.astype(array.dtype).reshape(array.shape))


def _mono(array: Array) -> Array:
    """Return [samples] of a clip with one channel."""
    shape = list(array.shape)
    if array.size == 0:
        raise UsageError(f"audio: shape {shape} holds no samples")
    if array.ndim == 2 and 1 < min(shape) <= MOST_CHANNELS:
        axis = shape.index(min(shape))
        raise UsageError(
            f"audio: shape {shape}, so {min(shape)} channels; give one, such as their mean: audio.mean({axis})"
        )
    if array.ndim != 1 and not (array.ndim == 2 and min(shape) == 1):
        raise UsageError(f"audio: shape {shape}; give one clip: [samples], [1, samples] or [samples, 1]")
    return np.ascontiguousarray(array.reshape(-1))


def check_rate(rate: object) -> int:
    """Return a sample rate in Hz.  Raises UsageError where it is missing, not whole, or not that of a recording."""
    if rate is None:
        raise UsageError("rate: missing; give the sample rate of the audio in Hz, such as rate=16_000")
    try:
        whole = operator.index(int(rate) if isinstance(rate, float) and rate.is_integer() else rate)  # type: ignore[arg-type]  # raises for what is no number
    except TypeError:
        raise UsageError(f"rate: {rate!r}; give the sample rate of the audio in Hz, a whole number") from None
    if isinstance(rate, bool) or not RATES[0] <= whole <= RATES[1]:
        raise UsageError(f"rate: {rate!r} is outside {RATES[0]:,} to {RATES[1]:,} Hz")
    return whole


def require_rate(rate: object) -> None:
    """Raise UsageError unless a rate is 16 kHz, at which corruptions are defined."""
    if (given := check_rate(rate)) != SAMPLE_RATE:
        raise UsageError(
            f"rate: {given:,} Hz, but corruptions are defined at {SAMPLE_RATE:,} Hz; resample the audio first, such as "
            f"with soxr.resample(audio, {given}, {SAMPLE_RATE})"
        )


def as_stored(value: Any, rate: object) -> Samples:
    """Return a clip as a data set would store it: resampled to 16 kHz, attenuated if too loud, rounded to 16 bits.

    Args:
        value: as for `take_audio`, with peaks a little above full scale allowed.
        rate: Hz.

    Returns float32 [samples].
    Raises UsageError as `take_audio` and `check_rate` do.
    """
    samples, given = take_audio(value, OVERSHOOT)[0], check_rate(rate)
    if given != SAMPLE_RATE:
        samples = soxr.resample(samples, given, SAMPLE_RATE, quality="HQ").astype(np.float32, copy=False)
    if samples.size == 0:  # a handful of samples at a high rate
        samples = np.zeros(1, np.float32)
    return quantise_audio(samples)[0]
