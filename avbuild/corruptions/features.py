"""Corruptions of what a front end made: the poster's protocol adds its noise there.

Audio features: float32 [frames, bins], a normalised log-mel spectrogram.  Image features: float32 [3, H, W],
normalised by ImageNet's mean and deviation.  These act in `avtrain`'s loader alone: no file holds features.
Source of the levels: Park, Prompt the Missing, CVPRW 2025, released code (`apply_noise_to_batch`).
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.corruptions.registry import audio_corruption, image_corruption

Features = NDArray[np.float32]


@audio_corruption(
    version=1,
    severities=(0.5, 1.0, 2.0, 5.0, 10.0),
    within=(0.0, 100.0),
    domain="feature",
    name="feature_gaussian_noise",
)
def audio_gaussian_noise(features: Features, std: float, rng: Generator) -> Features:
    """White noise on the spectrogram.

    features: [frames, bins].  std: in the features' own units.  Returns [frames, bins].
    """
    return features + np.float32(std) * rng.standard_normal(features.shape, dtype=np.float32)


@audio_corruption(version=1, severities=(4.0, 8.0, 16.0, 32.0, 64.0), within=(0.0, 4096.0), domain="feature")
def feature_shift_bins(features: Features, most: float, rng: Generator) -> Features:
    """The spectrogram rolled along its mel bins, as the poster's released code does and calls a shift in time.

    features: [frames, bins].  most: the shift is uniform among the whole numbers in +-most.  Returns [frames, bins].
    """
    return np.roll(features, int(rng.integers(-int(most), int(most) + 1)), axis=1)


@audio_corruption(version=1, severities=(4.0, 8.0, 16.0, 32.0, 64.0), within=(0.0, 4096.0), domain="feature")
def feature_shift_time(features: Features, most: float, rng: Generator) -> Features:
    """The spectrogram rolled along time.

    features: [frames, bins].  most: the shift is uniform among the whole numbers in +-most.  Returns [frames, bins].
    """
    return np.roll(features, int(rng.integers(-int(most), int(most) + 1)), axis=0)


@audio_corruption(version=1, severities=(4.0, 8.0, 15.0, 23.0, 31.0), within=(0.0, 4096.0), domain="feature")
def feature_mask_bins(features: Features, most: float, rng: Generator) -> Features:
    """A band of mel bins set to zero, as the poster's released code does and calls a mask in time.

    features: [frames, bins].  most: the width is uniform among the whole numbers in 0 to most.  Returns [frames, bins].
    """
    return _masked(features.T, most, rng).T


@audio_corruption(version=1, severities=(4.0, 8.0, 15.0, 23.0, 31.0), within=(0.0, 4096.0), domain="feature")
def feature_mask_time(features: Features, most: float, rng: Generator) -> Features:
    """A stretch of frames set to zero.

    features: [frames, bins].  most: the length is uniform among the whole numbers in 0 to most.
    Returns [frames, bins].
    """
    return _masked(features, most, rng)


def _masked(features: Features, most: float, rng: Generator) -> Features:
    width = min(int(rng.integers(int(most) + 1)), len(features))
    start = int(rng.integers(len(features) - width + 1))
    masked = features.copy()
    masked[start : start + width] = 0
    return masked


@image_corruption(
    version=1,
    severities=(0.5, 1.0, 2.0, 3.0, 5.0),
    within=(0.0, 100.0),
    domain="feature",
    name="feature_gaussian_noise",
)
def image_gaussian_noise(features: Features, std: float, rng: Generator) -> Features:
    """White noise on the normalised picture, clamped to +-3.

    features: [3, H, W].  std: in normalised units.  Returns [3, H, W].
    """
    noisy = features + np.float32(std) * rng.standard_normal(features.shape, dtype=np.float32)
    return noisy.clip(-3, 3, out=noisy)


@image_corruption(version=1, severities=(7.0, 15.0, 25.0, 37.0, 51.0), within=(1.0, 1001.0), domain="feature")
def feature_box_blur(features: Features, kernel: float, rng: Generator) -> Features:
    """Each value the mean of the square around it, edges mirrored.

    features: [3, H, W].  kernel: side of the square, odd; cut to the picture.  Returns [3, H, W].  Draws nothing.
    """
    blurred = features.astype(np.float64)
    for axis in (1, 2):
        reach = min(int(kernel) // 2, features.shape[axis] - 1)
        padding = [(0, 0)] * 3
        padding[axis] = (reach + 1, reach)
        sums = np.cumsum(np.pad(blurred, padding, mode="reflect" if reach + 1 < features.shape[axis] else "edge"), axis)
        upper, lower = np.delete(sums, range(2 * reach + 1), axis), np.delete(sums, range(-2 * reach - 1, 0), axis)
        blurred = (upper - lower) / (2 * reach + 1)
    return blurred.astype(np.float32)


@image_corruption(version=1, severities=(0.3, 0.2, 0.15, 0.1, 0.05), within=(0.001, 1.0), domain="feature")
def feature_pixelate(features: Features, scale: float, rng: Generator) -> Features:
    """Shown at a lower resolution: the nearest pixel of a reduced picture.

    features: [3, H, W].  scale: side of the reduced picture as a fraction, at least one pixel.  Returns [3, H, W].
    Draws nothing.
    """
    rows, columns = (_nearest(length, max(1, int(length * scale))) for length in features.shape[1:])
    return features[:, rows][:, :, columns]


def _nearest(length: int, reduced: int) -> NDArray[np.int64]:
    """For each pixel, the one it shows once reduced to so many and enlarged again."""
    small = np.arange(length) * reduced // length
    picked: NDArray[np.int64] = (small * 2 + 1) * length // (2 * reduced)
    return picked


@image_corruption(version=1, severities=(0.0, 0.0, 0.0, 0.0, 0.0), within=(-10.0, 10.0), domain="feature")
def feature_blank(features: Features, value: float, rng: Generator) -> Features:
    """One value everywhere; 0 is ImageNet's mean colour.

    features: [3, H, W].  value: in normalised units.  Returns [3, H, W].  Draws nothing.
    """
    return np.full_like(features, value)
