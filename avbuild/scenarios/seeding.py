"""The law of seeds: every random draw is a pure function of what it is drawn for."""

import hashlib
import json

import numpy as np


def digest(*parts: object) -> str:
    """A stable hash of JSON-able parts, 64 hexadecimal digits; the same on every machine and in every process."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def rng_for(
    *, seed: int, scenario: str, sample: str, modality: str, op: int | str, epoch: int = 0
) -> np.random.Generator:
    """The generator of one op on one modality of one sample.

    Severity and op name are left out on purpose: the same sample then draws the same noise at every severity, only
    stronger, so a robustness curve is smooth. `epoch` 0 is what is written to disk and evaluated.
    """
    key = digest(seed, scenario, sample, modality, op, epoch)
    return np.random.Generator(np.random.PCG64(int(key[:32], 16)))


def uniform_for(*, seed: int, purpose: str, sample: str, modality: str = "") -> float:
    """One number in [0, 1) that belongs to a sample whatever the scenario is called.

    Missing rates compare against it, so the samples missing at 30 % are among those missing at 50 %.
    """
    return int(digest(seed, purpose, sample, modality)[:13], 16) / 16**13
