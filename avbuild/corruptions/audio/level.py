"""Corruptions of recording level and resolution: gain, clipping, quantisation."""

import numpy as np
from numpy.random import Generator

from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples


@audio_corruption(version=1, severities=(-6.0, -12.0, -18.0, -24.0, -30.0), within=(-120.0, 60.0))
def gain(audio: Samples, db: float, rng: Generator) -> Samples:
    """Change the recording level.

    A quiet clip loses resolution when it is stored with 16 bits.

    Args:
        audio: float32 [samples].
        db: gain in decibels; below 0 the clip gets quieter.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    return audio * np.float32(10 ** (db / 20))


@audio_corruption(version=1, severities=(0.5, 0.3, 0.2, 0.1, 0.05), within=(0.0001, 1.0))
def clipping(audio: Samples, peak: float, rng: Generator) -> Samples:
    """Clip the peaks of the waveform, as when recording too loudly.

    Args:
        audio: float32 [samples].
        peak: clipping level as a fraction of the clip's own peak, 0 to 1.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    limit = np.float32(peak) * max(audio.max(), -audio.min())
    return audio.clip(-limit, limit)


@audio_corruption(version=1, severities=(8.0, 7.0, 6.0, 5.0, 4.0), within=(1.0, 16.0))
def quantisation(audio: Samples, bits: float, rng: Generator) -> Samples:
    """Quantise the waveform to few bits.

    Args:
        audio: float32 [samples].
        bits: bits per sample; full scale is the smallest power of two that holds the clip's own peak.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    peak = max(audio.max(), -audio.min())
    if peak == 0:
        return audio
    # adding and subtracting a large enough float32 rounds to multiples of the step, a power of two
    step = 2.0 ** (np.ceil(np.log2(peak)) - int(bits) + 1)
    large = np.float32(1.5 * 2**23 * step)
    coarse = audio + large
    coarse -= large
    return coarse
