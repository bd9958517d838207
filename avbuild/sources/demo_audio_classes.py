"""The demo's ten audio classes, synthesised, with variation inside each class.

Every function takes a generator and returns float64 [samples] of any level.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator

from avbuild.sources.demo_signals import LONGEST, Wave, events, harmonics, low_pass, phase_of, resonance, times, wander


def air_conditioner(rng: Generator) -> Wave:
    """Return the noise of a fan over mains hum."""
    air = low_pass(rng.standard_normal(times().size), rng.uniform(400, 2500))
    hum = harmonics(wander(rng, rng.uniform(90, 130), 0.01, 0.5), rng.uniform(0.2, 1.0, 6) / np.arange(1, 7))
    return air / air.std() * rng.uniform(0.5, 1.5) + hum


def car_horn(rng: Generator) -> Wave:
    """Return the chord of two horns, pressed once or a few times."""
    low = rng.uniform(280, 480)
    strengths = 1.0 / np.arange(1, 16) ** rng.uniform(0.4, 0.9)
    steady = np.ones_like(times())
    chord = harmonics(low * steady, strengths) + harmonics(low * rng.uniform(1.18, 1.34) * steady, strengths)
    presses = np.clip(events(rng, 1, 3, 0.02, rng.uniform(0.3, 1.5)) * 3, 0, 1)
    return chord * presses


def children_playing(rng: Generator) -> Wave:
    """Return a few high voices calling at the same time."""
    voices = np.zeros_like(times())
    for _ in range(int(rng.integers(2, 5))):
        pitch = wander(rng, rng.uniform(260, 560), rng.uniform(0.1, 0.35), rng.uniform(1, 4))
        buzz = harmonics(pitch, 1.0 / np.arange(1, 14) ** 0.8)
        vowel = resonance(buzz, rng.uniform(600, 1100), 150) + resonance(buzz, rng.uniform(1500, 3200), 250)
        voices += vowel / (vowel.std() + 1e-9) * events(rng, 2, 5, 0.04, rng.uniform(0.1, 0.3))
    return voices


def dog_bark(rng: Generator) -> Wave:
    """Return short barks of falling pitch, with formants and breath noise."""
    envelope = events(rng, 1, 5, 0.012, rng.uniform(0.05, 0.12))
    pitch = rng.uniform(180, 520) * (0.6 + 0.5 * np.clip(envelope, 0, 1))
    throat = harmonics(pitch, 1.0 / np.arange(1, 20) ** 0.5) + rng.uniform(0.3, 1.2) * rng.standard_normal(pitch.size)
    voiced = resonance(throat, rng.uniform(450, 900), 180) + resonance(throat, rng.uniform(1100, 2000), 300)
    return voiced * envelope


def drilling(rng: Generator) -> Wave:
    """Return a motor whose speed drops under load, and the noise of the bit."""
    speed = wander(rng, rng.uniform(140, 420), rng.uniform(0.03, 0.2), rng.uniform(0.5, 2))
    whine = harmonics(speed, rng.uniform(0.3, 1.0, 24) / np.arange(1, 25) ** 0.3)
    rasp = rng.standard_normal(speed.size) * (1 + np.sin(phase_of(speed / 4)))
    return whine / whine.std() + rng.uniform(0.3, 1.2) * rasp


def engine_idling(rng: Generator) -> Wave:
    """Return 15 to 45 ignitions per second through the resonances of an exhaust."""
    rate = wander(rng, rng.uniform(15, 45), rng.uniform(0.02, 0.1), rng.uniform(0.5, 3))
    turns = phase_of(rate) / (2 * np.pi)
    firing = np.exp(-(turns % 1) * rng.uniform(4, 12)) * (1 + 0.4 * np.sin(np.pi * np.floor(turns)))
    knock = firing * (0.6 + rng.uniform(0.2, 0.8) * rng.standard_normal(rate.size))
    return resonance(knock, rng.uniform(60, 180), 60) + 0.5 * resonance(knock, rng.uniform(250, 700), 150)


def gun_shot(rng: Generator) -> Wave:
    """Return one to three cracks with low-frequency noise."""
    envelope = events(rng, 1, 3, 0.001, rng.uniform(0.03, 0.16))
    crack = rng.standard_normal(envelope.size)
    return (crack + 3 * low_pass(crack, rng.uniform(100, 600))) * envelope**1.5


def jackhammer(rng: Generator) -> Wave:
    """Return 8 to 24 blows per second on resonating metal."""
    rate = wander(rng, rng.uniform(8, 24), 0.04, rng.uniform(0.5, 2))
    turns = phase_of(rate) / (2 * np.pi)
    blow = np.exp(-(turns % 1) * rng.uniform(5, 14)) * rng.standard_normal(rate.size)
    metal = resonance(blow, rng.uniform(700, 1500), 200) + resonance(blow, rng.uniform(2000, 4500), 400)
    return blow + rng.uniform(0.5, 2.5) * metal / metal.std() * blow.std()


def siren(rng: Generator) -> Wave:
    """Return a tone that sweeps or alternates between two frequencies."""
    low = rng.uniform(400, 800)
    high = low * rng.uniform(1.25, 2.2)
    swing = np.sin(2 * np.pi * rng.uniform(0.3, 4.0) * times() + rng.uniform(0, 2 * np.pi))
    if rng.uniform() < 0.35:
        swing = np.sign(swing)  # two-tone
    frequency = low + (high - low) * (swing + 1) / 2
    return harmonics(frequency, 1.0 / np.arange(1, 7) ** rng.uniform(0.8, 2.0))


def street_music(rng: Generator) -> Wave:
    """Return plucked notes of a scale, in one or two voices."""
    t = times()
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


AUDIO_CLASSES: Mapping[str, Callable[[Generator], Wave]] = {
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
