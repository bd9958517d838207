"""Synthetic ambient noise: rain, wind, a crowd, traffic, each mixed in at a signal-to-noise ratio.

Loudness over time and spectrum resemble those of real ambience, so that a model meets more than stationary noise. All
of it is computed; no recordings are used.
"""

import functools

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.audio.noise import SNR, SNR_WITHIN, mix
from avbuild.corruptions.draws import normals
from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples

RATE = 16_000
VOICE = 400  # samples of the response to one glottal pulse
Wave = NDArray[np.float64]


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def rain(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add synthetic rain noise: a steady hiss and single drops.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    hiss = _shaped(audio.size, ((200, 0.1), (1500, 0.6), (5000, 1.0), (8000, 0.7)), rng)
    # each drop rings for a few milliseconds, at the pitch of one of five surfaces
    splashes, time = np.zeros(audio.size), np.arange(64) / RATE
    for pitch in rng.uniform(1200.0, 6000.0, 5):
        count = max(1, audio.size * 15 // RATE)
        drops = np.zeros(audio.size)
        np.add.at(drops, rng.integers(0, audio.size, count), rng.exponential(1.0, count))
        ring = np.exp(-time * 900) * np.sin(2 * np.pi * pitch * time)
        splashes += np.convolve(drops, ring)[: audio.size]
    return mix(audio, _unit(hiss) + 6 * splashes, snr_db)


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def wind(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add synthetic wind noise: a low rumble that rises and falls in gusts.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    rumble = _shaped(audio.size, ((10, 1.0), (80, 0.8), (300, 0.1), (1500, 0.012), (8000, 0.001)), rng)
    return mix(audio, rumble * np.exp(1.1 * _slow_curve(audio.size, 0.7, rng)), snr_db)


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def crowd(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add synthetic crowd noise: many voices speaking unintelligibly.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    length = scipy.fft.next_fast_len(audio.size + VOICE, real=True)
    talk = np.zeros(length // 2 + 1, np.complex128)
    time = np.arange(audio.size) / RATE
    for _ in range(8):
        pitch = rng.uniform(90.0, 260.0) * (1 + 0.06 * _slow_curve(audio.size, 1.5, rng))
        pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
        beat = (rng.uniform(3.0, 5.5) * time + rng.uniform()) % 1.0
        syllables = np.maximum(0.0, 4 * beat * (1 - beat) - 0.3)
        pauses = _slow_curve(audio.size, 0.6, rng) > -0.4
        formants = rng.uniform(350.0, 800.0), rng.uniform(1000.0, 2200.0)
        source = rng.uniform(0.3, 1.0) * pulses * syllables * pauses
        talk += scipy.fft.rfft(source, length) * scipy.fft.rfft(_vocal_tract(*formants), length)
    babble = scipy.fft.irfft(talk, length, overwrite_x=True)[: audio.size]
    murmur = _shaped(audio.size, ((100, 0.5), (400, 1.0), (1200, 0.4), (4000, 0.08), (8000, 0.01)), rng)
    babble = _unit(babble) + 0.4 * _unit(murmur)
    return mix(audio, babble, snr_db)


@audio_corruption(version=1, severities=SNR, within=SNR_WITHIN)
def traffic(audio: Samples, snr_db: float, rng: Generator) -> Samples:
    """Add synthetic traffic noise: tyres of passing cars and the hum of engines.

    Args:
        audio: float32 [samples].
        snr_db: signal-to-noise ratio, decibels.

    Returns float32 [samples]; a silent clip comes back unchanged.
    """
    tyres = _unit(_shaped(audio.size, ((30, 0.5), (200, 0.8), (900, 1.0), (2500, 0.3), (8000, 0.03)), rng))
    time = np.arange(audio.size) / RATE
    swell, hum = np.full(audio.size, 0.3), np.zeros(audio.size)
    for _ in range(3):
        nearest, seconds = rng.uniform(-0.5, time[-1] + 0.5), rng.uniform(0.4, 1.2)
        passing = 1 / (1 + np.square((time - nearest) / seconds))
        swell += rng.uniform(0.5, 1.5) * passing
        # Doppler effect: the pitch falls as the car passes
        pitch = rng.uniform(45.0, 110.0) * (1 - 0.04 * np.tanh((time - nearest) / seconds))
        phase = np.cumsum(pitch) * (2 * np.pi / RATE)
        first = np.sin(phase)
        second = 2 * first * np.cos(phase)  # sin 2x, by the double angle
        hum += passing * (first + 0.6 * second + 0.6 * second * (1 - 2 * first * first))
    return mix(audio, tyres * swell + 0.4 * hum, snr_db)


def _vocal_tract(first: float, second: float) -> Wave:
    """Return the response to one glottal pulse: two decaying formants at `first` and `second` Hz.  [VOICE]"""
    time = np.arange(VOICE) / RATE
    return np.exp(-300 * time) * np.sin(2 * np.pi * first * time) + 0.5 * np.exp(-400 * time) * np.sin(
        2 * np.pi * second * time
    )


def _shaped(samples: int, shape: tuple[tuple[float, float], ...], rng: Generator) -> Wave:
    """Return Gaussian noise whose amplitude follows (Hz, amplitude) points, log-log interpolated.  [samples]"""
    length = scipy.fft.next_fast_len(max(2, samples), real=True)
    amplitude = _amplitudes(length, shape)
    spectrum = normals((2 * amplitude.size,), rng).astype(np.float64).view(np.complex128)
    spectrum *= amplitude
    noise: Wave = scipy.fft.irfft(spectrum, length, overwrite_x=True)[:samples]
    return noise


@functools.lru_cache(maxsize=16)
def _amplitudes(length: int, shape: tuple[tuple[float, float], ...]) -> Wave:
    """Return the amplitude of each bin of the spectrum, 0 for the constant part.  [length // 2 + 1]"""
    frequencies = np.maximum(np.arange(length // 2 + 1) * (RATE / length), 1.0)
    points = np.log(np.array(shape))
    amplitude: Wave = np.exp(np.interp(np.log(frequencies), points[:, 0], points[:, 1]))
    amplitude[0] = 0.0
    return amplitude


def _slow_curve(samples: int, rate: float, rng: Generator) -> Wave:
    """Return a random smooth curve of about unit variance with `rate` knots a second.  [samples]"""
    knots = rng.standard_normal(int(samples / RATE * rate) + 3)
    position = np.arange(samples) * (rate / RATE)
    before = position.astype(np.intp)
    part = position - before
    ease = part * part * (3 - 2 * part)
    curve: Wave = knots[before] + (knots[before + 1] - knots[before]) * ease
    return curve


def _rms(wave: Wave) -> float:
    """Return the root mean square, or 1 for silence."""
    return float(np.sqrt(np.mean(np.square(wave)))) or 1.0


def _unit(wave: Wave) -> Wave:
    """Scale a wave to a root mean square of 1."""
    return wave / _rms(wave)
