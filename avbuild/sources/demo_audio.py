"""The demo's audio clips: a source in a room, over street noise, cut and set to a level."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from avbuild.sources.demo_audio_classes import AUDIO_CLASSES
from avbuild.sources.demo_signals import LONGEST, RATE, Wave, harmonics, low_pass, times, wander


def synthesise_clip(label: str, recording: Generator, piece: Generator) -> NDArray[np.float32]:
    """Synthesise one clip of a class.

    Args:
        label: its class.
        recording: generator of what slices of one recording share: source, room and street noise.
        piece: generator of where the slice is cut, and of its level.

    Returns float32 [16,000 to 32,000 samples] in [-1, 1].
    """
    source = AUDIO_CLASSES[label](recording)
    clip = _in_room(source / (np.sqrt(np.mean(source**2)) + 1e-9), recording)
    snr_db = recording.uniform(-2, 14)
    clip = clip + _street(recording) * 10 ** (-snr_db / 20)
    length = int(piece.uniform(1.0, LONGEST) * RATE)
    start = int(piece.uniform(0, clip.size - length))
    clip = clip[start : start + length]
    level = 10 ** (piece.uniform(-18, -1) / 20)
    return np.asarray(clip / np.abs(clip).max() * level, np.float32)


def _in_room(dry: Wave, rng: Generator) -> Wave:
    """Add a decaying tail of noise to the direct sound."""
    tail = int(rng.uniform(0.05, 0.5) * RATE)
    echo = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
    echo *= rng.uniform(0.05, 0.5) / np.sqrt(np.sum(echo**2))
    return dry + fftconvolve(dry, echo)[: dry.size]


def _street(rng: Generator) -> Wave:
    """Return a background of traffic, wind and a distant tone, at unit power."""
    noise = rng.standard_normal(times().size)
    bed = low_pass(noise, rng.uniform(200, 3000)) + rng.uniform(0, 0.1) * noise
    bed *= wander(rng, 1.0, 0.5, rng.uniform(0.3, 2))
    bed /= np.sqrt(np.mean(bed**2))
    tone = harmonics(wander(rng, rng.uniform(80, 900), 0.05, 1.0), 1.0 / np.arange(1, 5))
    mixed = bed + rng.uniform(0, 0.8) * tone
    return np.asarray(mixed / np.sqrt(np.mean(mixed**2)))
