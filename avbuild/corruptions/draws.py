"""Random numbers for whole signals: raw bits of the generator, and normal numbers by table."""

import functools
import math

import numpy as np
import scipy.special
from numpy.random import Generator
from numpy.typing import NDArray


def bits16(shape: tuple[int, ...], rng: Generator) -> NDArray[np.uint16]:
    """Uniform numbers in 0 to 65,535."""
    count = math.prod(shape)
    raw: NDArray[np.uint64] = rng.bit_generator.random_raw(-(-count // 4))
    return raw.astype("<u8", copy=False).view("<u2")[:count].reshape(shape)


@functools.cache
def quantiles() -> NDArray[np.float64]:
    """The 65,536 equally likely values that stand for the normal law: variance 1, none beyond 4.3.  [65536]

    A number drawn as `quantiles()[bits16(...)]` costs a tenth of one from `standard_normal`, and none of it is
    computed by the processor at hand.
    """
    values = scipy.special.ndtri((np.arange(65_536) + 0.5) / 65_536)
    values /= values.std()
    values.flags.writeable = False
    return np.asarray(values)


@functools.cache
def _quantiles32() -> NDArray[np.float32]:
    return quantiles().astype(np.float32)


def normals(shape: tuple[int, ...], rng: Generator) -> NDArray[np.float32]:
    """Standard normal numbers by table."""
    return _quantiles32().take(bits16(shape, rng))
