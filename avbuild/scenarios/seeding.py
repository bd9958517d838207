"""The law of seeds: every random draw is a pure function of what it is drawn for."""

import hashlib
import json

import numpy as np


def digest(*parts: object) -> str:
    """Return a stable hash of parts that JSON can hold, the same on every machine and in every process.

    Args:
        parts: anything that `json.dumps` accepts.

    Returns 64 hexadecimal digits.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def rng_for(
    *, seed: int, scenario: str, sample: str, modality: str, op: int | str, epoch: int = 0
) -> np.random.Generator:
    """Return the generator of one op on one modality of one sample.

    Severity and op name are left out on purpose: a sample then draws the same noise at every severity, only stronger,
    so that a robustness curve is smooth.

    Args:
        seed: of the scenario.
        scenario: name that the draws depend on.
        sample: id of the sample.
        modality: whose op it is.
        op: position of the op in its chain, or a word for another purpose.
        epoch: 0 for what is written to disk and evaluated; training may draw afresh in each epoch.
    """
    key = digest(seed, scenario, sample, modality, op, epoch)
    return np.random.Generator(np.random.PCG64(int(key[:32], 16)))


def uniform_for(*, seed: int, purpose: str, sample: str, modality: str = "") -> float:
    """Return a number in [0, 1) that is fixed for a sample, whatever the scenario is called.

    A modality is missing where this number is below the missing rate, so that the samples missing at 30 % are among
    those missing at 50 %.

    Args:
        seed: of the scenario.
        purpose: what the number is for.
        sample: id of the sample.
        modality: where the number is for one modality.
    """
    return int(digest(seed, purpose, sample, modality)[:13], 16) / 16**13
