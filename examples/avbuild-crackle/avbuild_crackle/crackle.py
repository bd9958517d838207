"""The corruption `crackle`."""

import numpy as np
from numpy.random import Generator

from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples


@audio_corruption(version=1, severities=(0.001, 0.002, 0.004, 0.008, 0.016), within=(0.0, 1.0))
def crackle(audio: Samples, rate: float, rng: Generator) -> Samples:
    """Replace random samples by clicks at half of full scale, as of a worn record.

    Args:
        audio: float32 [samples], full scale 1.0.
        rate: probability of a click at each sample, 0 to 1.

    Returns float32 [samples].
    """
    # both are drawn for every sample, so that a higher severity keeps the clicks of the lower ones
    clicked = rng.random(audio.shape) < rate
    signs = np.where(rng.random(audio.shape) < 0.5, np.float32(-0.5), np.float32(0.5))
    return np.where(clicked, signs, audio)
