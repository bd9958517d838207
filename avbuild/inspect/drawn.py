"""Say in words what a corruption drew at random for one sample, which its level only bounds: the shift, not its limit.

The draws are those of the corruption itself, from a generator of the same seed; no signal is changed here.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator

from avbuild.corruptions.audio.channel import PACKET
from avbuild.corruptions.audio.timing import RATE
from avbuild.corruptions.draws import bits16, normals
from avbuild.corruptions.image.lens import FROST_COLOURS
from avbuild.modalities.base import Signal
from avbuild.scenarios.apply import steps_of
from avbuild.scenarios.plan import SamplePlan

Level = Mapping[str, float]  # parameter -> value


def drawn(plan: SamplePlan, modality: str, signal: Signal) -> list[str]:
    """Return what each op of a plan drew for a modality, in words; empty where it draws nothing that can be named.

    Args:
        plan: of the sample.
        modality: one that the plan changes.
        signal: clean signal of one clip, image or frame; only its shape is used, which no op changes.

    Returns one text an op, in the order of the ops on signals.
    """
    words = []
    for _, op, level, rng in steps_of(plan, modality, "signal", signal):
        describe = DRAWN.get((op.corruption.modality, op.name))
        named = dict(zip(op.corruption.parameters, level, strict=True))
        words.append("" if describe is None else describe(named, signal, rng))
    return words


def shift_of(level: Level, samples: int, rng: Generator) -> int:
    """Return the shift that `time_shift` draws, in samples."""
    return round(rng.uniform(-1.0, 1.0) * level["most"] * samples)


def mask_of(level: Level, samples: int, rng: Generator) -> tuple[int, int]:
    """Return the first sample that `time_mask` silences, and the first one after."""
    length = round(level["fraction"] * samples)
    start = round(rng.uniform() * (samples - length))
    return start, start + length


def box_of(level: Level, height: int, width: int, rng: Generator) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the rectangle that `occlusion` draws, in pixels."""
    fraction, shape = level["fraction"], 2 ** rng.uniform(-1.0, 1.0)
    tall = min(height, max(1, round(math.sqrt(fraction * height * width * shape)))) if fraction else 0
    wide = min(width, round(fraction * height * width / max(1, tall)))
    return round(rng.uniform() * (height - tall)), round(rng.uniform() * (width - wide)), tall, wide


def lost_packets(level: Level, samples: int, rng: Generator) -> tuple[int, int]:
    """Return how many packets `packet_loss` loses, and of how many."""
    lost = rng.random(-(-samples // PACKET)) < level["rate"]
    return int(np.count_nonzero(lost)), len(lost)


def snow_angle(level: Level, height: int, width: int, rng: Generator) -> float:
    """Return the direction in which `snow` falls, in degrees from horizontal."""
    normals((math.ceil(height / level["zoom"]), math.ceil(width / level["zoom"])), rng)  # the flakes come first
    return rng.uniform(45.0, 135.0)


def rain_angle(height: int, width: int, rng: Generator) -> float:
    """Return the direction in which `rain` falls, in degrees from horizontal."""
    bits16((height, width), rng)  # the drops come first
    return rng.uniform(75.0, 105.0)


def _time_shift(level: Level, signal: Signal, rng: Generator) -> str:
    return f"shifted by {shift_of(level, signal.size, rng) / RATE:+.2f} s"


def _time_mask(level: Level, signal: Signal, rng: Generator) -> str:
    start, end = mask_of(level, signal.size, rng)
    return f"silent from {start / RATE:.2f} to {end / RATE:.2f} s"


def _speed(level: Level, signal: Signal, rng: Generator) -> str:
    factor = level["factor"] if rng.uniform() < 0.5 else 1 / level["factor"]
    return f"played at {factor:.2f} times its speed"


def _pitch(level: Level, signal: Signal, rng: Generator) -> str:
    return f"moved by {level['semitones'] if rng.uniform() < 0.5 else -level['semitones']:+g} semitones"


def _packet_loss(level: Level, signal: Signal, rng: Generator) -> str:
    lost, packets = lost_packets(level, signal.size, rng)
    return f"{lost} of {packets} packets lost"


def _occlusion(level: Level, signal: Signal, rng: Generator) -> str:
    top, left, tall, wide = box_of(level, signal.shape[0], signal.shape[1], rng)
    return f"hidden {wide} x {tall} px at {left}, {top}"


def _motion_blur(level: Level, signal: Signal, rng: Generator) -> str:
    return f"at {rng.uniform(-45.0, 45.0):+.0f} degrees"


def _snow(level: Level, signal: Signal, rng: Generator) -> str:
    return f"falls at {snow_angle(level, signal.shape[0], signal.shape[1], rng):.0f} degrees"


def _rain(level: Level, signal: Signal, rng: Generator) -> str:
    return f"falls at {rain_angle(signal.shape[0], signal.shape[1], rng):.0f} degrees"


def _frost(level: Level, signal: Signal, rng: Generator) -> str:
    return f"texture {int(rng.integers(len(FROST_COLOURS))) + 1} of {len(FROST_COLOURS)}"


DRAWN: Mapping[tuple[str, str], Callable[[Level, Signal, Generator], str]] = {
    ("audio", "time_shift"): _time_shift,
    ("audio", "time_mask"): _time_mask,
    ("audio", "speed"): _speed,
    ("audio", "pitch"): _pitch,
    ("audio", "packet_loss"): _packet_loss,
    ("image", "occlusion"): _occlusion,
    ("image", "motion_blur"): _motion_blur,
    ("image", "snow"): _snow,
    ("image", "rain"): _rain,
    ("image", "frost"): _frost,
}
