"""Ways in which bytes are damaged, and how many cases of each group are tried."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGALRM, alarm, signal
from types import FrameType

from numpy.random import Generator, default_rng

CASES = int(os.environ.get("FUZZ_CASES", "40"))  # of each group and format; `make fuzz` sets it
TRIED: list[int] = []  # grows by one with each case, see conftest.py
LONGEST = 30  # seconds that a case may take before it counts as a hang


def damaged(data: bytes, rng: Generator) -> tuple[str, bytes]:
    """Return what was done to the bytes, and the result, which differs from them."""
    while True:
        kind = KINDS[rng.integers(len(KINDS))]
        changed = kind(data, rng)
        if changed != data:
            return kind.__name__, changed


def cut_short(data: bytes, rng: Generator) -> bytes:
    return data[: rng.integers(len(data))]


def bits_flipped(data: bytes, rng: Generator) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(len(data), size=int(rng.integers(1, 6))):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def header_changed(data: bytes, rng: Generator) -> bytes:
    changed = bytearray(data)
    changed[rng.integers(min(64, len(data)))] = int(rng.integers(256))
    return bytes(changed)


def zeros_inside(data: bytes, rng: Generator) -> bytes:
    start = int(rng.integers(len(data)))
    end = min(len(data), start + int(rng.integers(1, 2048)))
    return data[:start] + bytes(end - start) + data[end:]


def part_lost(data: bytes, rng: Generator) -> bytes:
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + int(rng.integers(1, 512)) :]


def part_twice(data: bytes, rng: Generator) -> bytes:
    start = int(rng.integers(len(data)))
    end = start + int(rng.integers(1, 512))
    return data[:end] + data[start:end] + data[end:]


def noise(data: bytes, rng: Generator) -> bytes:
    return bytes(rng.integers(256, size=int(rng.integers(0, 4096))).astype("u1"))


KINDS = (cut_short, bits_flipped, header_changed, zeros_inside, part_lost, part_twice, noise)


def cases(data: bytes, seed: int, count: int = CASES) -> Iterator[tuple[str, bytes]]:
    """Yield damaged copies of some bytes; the same ones for the same seed."""
    for number in range(count):
        yield damaged(data, default_rng([seed, number]))


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail where the block takes too long."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"took over {LONGEST} s")

    TRIED.append(1)
    before = signal(SIGALRM, late)
    alarm(LONGEST)
    try:
        yield
    finally:
        alarm(0)
        signal(SIGALRM, before)
