"""Ten sounds of a city, synthesised: each a function of a generator, with real variation inside the class.

Every function takes the generator and returns float64 [samples] at 16 kHz, of any loudness; `sound` puts it in a room,
over a street, at a level.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

RATE = 16_000
LONGEST = 2.0  # seconds

Wave = Any  # NDArray[np.float64], [samples]; NumPy and SciPy type their sums too loosely for more


def sound(label: str, recording: Generator, piece: Generator) -> NDArray[np.float32]:
    """One clip of a class.

    recording: draws what slices of one recording share: the source, its room, its street.  piece: draws where the
    slice was cut and how loud.  Returns float32 [1 to 2 s], in [-1, 1].
    """
    source = SOUNDS[label](recording)
    clip = _in_room(source / (np.sqrt(np.mean(source**2)) + 1e-9), recording)
    snr_db = recording.uniform(-2, 14)
    clip = clip + _street(recording) * 10 ** (-snr_db / 20)
    length = int(piece.uniform(1.0, LONGEST) * RATE)
    start = int(piece.uniform(0, clip.size - length))
    clip = clip[start : start + length]
    level = 10 ** (piece.uniform(-18, -1) / 20)
    return np.asarray(clip / np.abs(clip).max() * level, np.float32)


def _times() -> Wave:
    return np.arange(int(LONGEST * RATE)) / RATE


def _phase(frequency: Wave) -> Wave:
    """Phase of a tone whose frequency (Hz) may change."""
    return 2 * np.pi * np.cumsum(frequency) / RATE


def _harmonics(frequency: Wave, strengths: Wave) -> Wave:
    """A sum of harmonics; those beyond half the rate are left out."""
    phase = _phase(frequency)
    top = frequency.max()
    parts = [a * np.sin(k * phase) for k, a in enumerate(strengths, start=1) if k * top < RATE / 2]
    return np.sum(parts, axis=0) if parts else np.zeros_like(phase)


def _resonance(signal: Wave, frequency: float, bandwidth: float) -> Wave:
    """A two-pole resonance, Hz."""
    radius = np.exp(-np.pi * bandwidth / RATE)
    poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
    return np.asarray(lfilter([1 - radius], poles, signal))


def _smooth(signal: Wave, frequency: float) -> Wave:
    """One-pole low-pass at a frequency, Hz."""
    keep = np.exp(-2 * np.pi * frequency / RATE)
    return np.asarray(lfilter([1 - keep], [1.0, -keep], signal))


def _wander(rng: Generator, centre: float, spread: float, rate: float) -> Wave:
    """A slowly changing value around a centre, for pitch and tempo that are not a machine's."""
    t = _times()
    turns = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rate * np.outer((0.7, 1.0, 1.6), t) + turns[:, None])
    return centre * (1 + spread * waves.mean(axis=0))


def _events(rng: Generator, low: int, high: int, attack: float, decay: float) -> Wave:
    """An envelope of a few events, each rising and dying away (seconds)."""
    t = _times()
    envelope = np.zeros_like(t)
    count = int(rng.integers(low, high + 1))
    starts = np.sort(rng.uniform(0, LONGEST - 0.35, count))
    for start in starts:
        after = t - start
        envelope += rng.uniform(0.6, 1.0) * np.clip(after / attack, 0, 1) * np.exp(-np.clip(after, 0, None) / decay)
    return envelope


def _in_room(dry: Wave, rng: Generator) -> Wave:
    """A decaying tail of noise after the direct sound."""
    tail = int(rng.uniform(0.05, 0.5) * RATE)
    echo = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
    echo *= rng.uniform(0.05, 0.5) / np.sqrt(np.sum(echo**2))
    return dry + fftconvolve(dry, echo)[: dry.size]


def _street(rng: Generator) -> Wave:
    """A background of traffic, wind and a far-off tone, at unit power."""
    noise = rng.standard_normal(_times().size)
    bed = _smooth(noise, rng.uniform(200, 3000)) + rng.uniform(0, 0.1) * noise
    bed *= _wander(rng, 1.0, 0.5, rng.uniform(0.3, 2))
    bed /= np.sqrt(np.mean(bed**2))
    tone = _harmonics(_wander(rng, rng.uniform(80, 900), 0.05, 1.0), 1.0 / np.arange(1, 5))
    mixed = bed + rng.uniform(0, 0.8) * tone
    return np.asarray(mixed / np.sqrt(np.mean(mixed**2)))


def air_conditioner(rng: Generator) -> Wave:
    """A fan: rushing air over a mains hum."""
    air = _smooth(rng.standard_normal(_times().size), rng.uniform(400, 2500))
    hum = _harmonics(_wander(rng, rng.uniform(90, 130), 0.01, 0.5), rng.uniform(0.2, 1.0, 6) / np.arange(1, 7))
    return air / air.std() * rng.uniform(0.5, 1.5) + hum


def car_horn(rng: Generator) -> Wave:
    """Two reeds at once, pressed once or a few times."""
    low = rng.uniform(280, 480)
    strengths = 1.0 / np.arange(1, 16) ** rng.uniform(0.4, 0.9)
    steady = np.ones_like(_times())
    chord = _harmonics(low * steady, strengths) + _harmonics(low * rng.uniform(1.18, 1.34) * steady, strengths)
    presses = np.clip(_events(rng, 1, 3, 0.02, rng.uniform(0.3, 1.5)) * 3, 0, 1)
    return chord * presses


def children_playing(rng: Generator) -> Wave:
    """A few high voices calling over each other."""
    voices = np.zeros_like(_times())
    for _ in range(int(rng.integers(2, 5))):
        pitch = _wander(rng, rng.uniform(260, 560), rng.uniform(0.1, 0.35), rng.uniform(1, 4))
        buzz = _harmonics(pitch, 1.0 / np.arange(1, 14) ** 0.8)
        vowel = _resonance(buzz, rng.uniform(600, 1100), 150) + _resonance(buzz, rng.uniform(1500, 3200), 250)
        voices += vowel / (vowel.std() + 1e-9) * _events(rng, 2, 5, 0.04, rng.uniform(0.1, 0.3))
    return voices


def dog_bark(rng: Generator) -> Wave:
    """Short falling barks, a throat's formants and breath."""
    envelope = _events(rng, 1, 5, 0.012, rng.uniform(0.05, 0.12))
    pitch = rng.uniform(180, 520) * (0.6 + 0.5 * np.clip(envelope, 0, 1))
    throat = _harmonics(pitch, 1.0 / np.arange(1, 20) ** 0.5) + rng.uniform(0.3, 1.2) * rng.standard_normal(pitch.size)
    voiced = _resonance(throat, rng.uniform(450, 900), 180) + _resonance(throat, rng.uniform(1100, 2000), 300)
    return voiced * envelope


def drilling(rng: Generator) -> Wave:
    """A motor's whine that sags under load, and the rasp of the bit."""
    speed = _wander(rng, rng.uniform(140, 420), rng.uniform(0.03, 0.2), rng.uniform(0.5, 2))
    whine = _harmonics(speed, rng.uniform(0.3, 1.0, 24) / np.arange(1, 25) ** 0.3)
    rasp = rng.standard_normal(speed.size) * (1 + np.sin(_phase(speed / 4)))
    return whine / whine.std() + rng.uniform(0.3, 1.2) * rasp


def engine_idling(rng: Generator) -> Wave:
    """Cylinders firing 15 to 45 times a second, through an exhaust."""
    rate = _wander(rng, rng.uniform(15, 45), rng.uniform(0.02, 0.1), rng.uniform(0.5, 3))
    turns = _phase(rate) / (2 * np.pi)
    firing = np.exp(-(turns % 1) * rng.uniform(4, 12)) * (1 + 0.4 * np.sin(np.pi * np.floor(turns)))
    knock = firing * (0.6 + rng.uniform(0.2, 0.8) * rng.standard_normal(rate.size))
    return _resonance(knock, rng.uniform(60, 180), 60) + 0.5 * _resonance(knock, rng.uniform(250, 700), 150)


def gun_shot(rng: Generator) -> Wave:
    """One to three cracks with a boom under them."""
    envelope = _events(rng, 1, 3, 0.001, rng.uniform(0.03, 0.16))
    crack = rng.standard_normal(envelope.size)
    return (crack + 3 * _smooth(crack, rng.uniform(100, 600))) * envelope**1.5


def jackhammer(rng: Generator) -> Wave:
    """Blows 8 to 24 times a second on something that rings."""
    rate = _wander(rng, rng.uniform(8, 24), 0.04, rng.uniform(0.5, 2))
    turns = _phase(rate) / (2 * np.pi)
    blow = np.exp(-(turns % 1) * rng.uniform(5, 14)) * rng.standard_normal(rate.size)
    metal = _resonance(blow, rng.uniform(700, 1500), 200) + _resonance(blow, rng.uniform(2000, 4500), 400)
    return blow + rng.uniform(0.5, 2.5) * metal / metal.std() * blow.std()


def siren(rng: Generator) -> Wave:
    """A tone that wails, yelps, or changes between two."""
    low = rng.uniform(400, 800)
    high = low * rng.uniform(1.25, 2.2)
    swing = np.sin(2 * np.pi * rng.uniform(0.3, 4.0) * _times() + rng.uniform(0, 2 * np.pi))
    if rng.uniform() < 0.35:
        swing = np.sign(swing)  # two-tone
    frequency = low + (high - low) * (swing + 1) / 2
    return _harmonics(frequency, 1.0 / np.arange(1, 7) ** rng.uniform(0.8, 2.0))


def street_music(rng: Generator) -> Wave:
    """A plucked tune, sometimes in two voices, on a scale."""
    t = _times()
    tune = np.zeros_like(t)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    for voice in range(int(rng.integers(1, 3))):
        root = rng.uniform(130, 330) * (1 + voice)
        step = rng.uniform(0.16, 0.45)
        for start in np.arange(0, LONGEST, step):
            pitch = root * 2 ** (rng.choice(scale) / 12)
            after = np.clip(t - start, 0, None)
            note = sum(np.sin(2 * np.pi * k * pitch * after) / k ** rng.uniform(0.8, 1.6) for k in range(1, 6))
            tune += note * (t >= start) * np.exp(-after / rng.uniform(0.15, 0.6))
    return tune


SOUNDS: Mapping[str, Callable[[Generator], Wave]] = {
    function.__name__: function
    for function in (
        air_conditioner,
        car_horn,
        children_playing,
        dog_bark,
        drilling,
        engine_idling,
        gun_shot,
        jackhammer,
        siren,
        street_music,
    )
}
