"""Building blocks of the demo's synthesised audio: tones, resonances, envelopes.  float64 [samples] at 16 kHz."""

from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.signal import lfilter

RATE = 16_000
LONGEST = 2.0  # seconds; the length of every signal here

Wave = Any  # NDArray[np.float64], [samples]; NumPy and SciPy type their sums too loosely for more


def times() -> Wave:
    """Return the time of each sample, in seconds."""
    return np.arange(int(LONGEST * RATE)) / RATE


def phase_of(frequency: Wave) -> Wave:
    """Return the phase of a tone whose frequency (Hz) varies."""
    return 2 * np.pi * np.cumsum(frequency) / RATE


def harmonics(frequency: Wave, strengths: Wave) -> Wave:
    """Return a sum of harmonics; those above half the sampling rate are left out."""
    phase = phase_of(frequency)
    top = frequency.max()
    parts = [a * np.sin(k * phase) for k, a in enumerate(strengths, start=1) if k * top < RATE / 2]
    return np.sum(parts, axis=0) if parts else np.zeros_like(phase)


def resonance(signal: Wave, frequency: float, bandwidth: float) -> Wave:
    """Apply a two-pole resonance; frequency and bandwidth in Hz."""
    radius = np.exp(-np.pi * bandwidth / RATE)
    poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
    return np.asarray(lfilter([1 - radius], poles, signal))


def low_pass(signal: Wave, frequency: float) -> Wave:
    """Apply a one-pole low-pass filter with a cutoff in Hz."""
    keep = np.exp(-2 * np.pi * frequency / RATE)
    return np.asarray(lfilter([1 - keep], [1.0, -keep], signal))


def wander(rng: Generator, centre: float, spread: float, rate: float) -> Wave:
    """Return a slowly varying value around a centre, so that pitch and tempo are not mechanically constant.

    Args:
        rng: generator of the phases.
        centre: mean value.
        spread: largest deviation as a fraction of the centre.
        rate: of the variation, Hz.
    """
    t = times()
    turns = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rate * np.outer((0.7, 1.0, 1.6), t) + turns[:, None])
    return centre * (1 + spread * waves.mean(axis=0))


def events(rng: Generator, low: int, high: int, attack: float, decay: float) -> Wave:
    """Return the envelope of a few events.

    Args:
        rng: generator of times and strengths.
        low: least number of events.
        high: largest number of events.
        attack: seconds to rise.
        decay: seconds to fall to 1 / e.
    """
    t = times()
    envelope = np.zeros_like(t)
    count = int(rng.integers(low, high + 1))
    starts = np.sort(rng.uniform(0, LONGEST - 0.35, count))
    for start in starts:
        after = t - start
        envelope += rng.uniform(0.6, 1.0) * np.clip(after / attack, 0, 1) * np.exp(-np.clip(after, 0, None) / decay)
    return envelope
