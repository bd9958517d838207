"""Corruptions of front-end features, which the noise protocol of *Prompt the Missing* (CVPRW 2025) acts on.

Audio features: float32 [frames, bins], a normalised log-mel spectrogram.  Image features: float32 [3, H, W],
normalised by ImageNet's mean and standard deviation.  Only `avtrain`'s data loader applies these: no file holds
features.  Severities follow the paper's released code (`apply_noise_to_batch`).
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
    """Add white noise to the spectrogram.

    Args:
        features: float32 [frames, bins].
        std: standard deviation of the noise, in the units of the features.

    Returns float32 [frames, bins].
    """
    return features + np.float32(std) * rng.standard_normal(features.shape, dtype=np.float32)


@audio_corruption(version=1, severities=(4.0, 8.0, 16.0, 32.0, 64.0), within=(0.0, 4096.0), domain="feature")
def feature_shift_bins(features: Features, most: float, rng: Generator) -> Features:
    """Roll the spectrogram along its mel bins, which the released code of *Prompt the Missing* calls a time shift.

    Args:
        features: float32 [frames, bins].
        most: largest shift, in bins; the shift is a whole number, uniform in -most to +most.

    Returns float32 [frames, bins].
    """
    return np.roll(features, int(rng.integers(-int(most), int(most) + 1)), axis=1)


@audio_corruption(version=1, severities=(4.0, 8.0, 16.0, 32.0, 64.0), within=(0.0, 4096.0), domain="feature")
def feature_shift_time(features: Features, most: float, rng: Generator) -> Features:
    """Roll the spectrogram along time.

    Args:
        features: float32 [frames, bins].
        most: largest shift, in frames; the shift is a whole number, uniform in -most to +most.

    Returns float32 [frames, bins].
    """
    return np.roll(features, int(rng.integers(-int(most), int(most) + 1)), axis=0)


@audio_corruption(version=1, severities=(4.0, 8.0, 15.0, 23.0, 31.0), within=(0.0, 4096.0), domain="feature")
def feature_mask_bins(features: Features, most: float, rng: Generator) -> Features:
    """Set a band of mel bins to zero, which the released code of *Prompt the Missing* calls a time mask.

    Args:
        features: float32 [frames, bins].
        most: largest width, in bins; the width is a whole number, uniform in 0 to most.

    Returns float32 [frames, bins].
    """
    return _masked(features.T, most, rng).T


@audio_corruption(version=1, severities=(4.0, 8.0, 15.0, 23.0, 31.0), within=(0.0, 4096.0), domain="feature")
def feature_mask_time(features: Features, most: float, rng: Generator) -> Features:
    """Set a run of consecutive frames to zero.

    Args:
        features: float32 [frames, bins].
        most: largest length, in frames; the length is a whole number, uniform in 0 to most.

    Returns float32 [frames, bins].
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
    """Add white noise to the normalised image, then clamp it to +-3.

    Args:
        features: float32 [3, H, W].
        std: standard deviation of the noise, in normalised units.

    Returns float32 [3, H, W].
    """
    noisy = features + np.float32(std) * rng.standard_normal(features.shape, dtype=np.float32)
    return noisy.clip(-3, 3, out=noisy)


@image_corruption(version=1, severities=(7.0, 15.0, 25.0, 37.0, 51.0), within=(1.0, 1001.0), domain="feature")
def feature_box_blur(features: Features, kernel: float, rng: Generator) -> Features:
    """Replace each value of the normalised image by the mean of the square around it, edges mirrored.

    Args:
        features: float32 [3, H, W].
        kernel: side of the square, odd, in pixels; reduced where the image is smaller.

    Returns float32 [3, H, W].  Deterministic: `rng` is not used.
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
    """Reduce the normalised image and enlarge it again by nearest neighbour.

    Args:
        features: float32 [3, H, W].
        scale: sides of the reduced image as a fraction of the original ones; at least one pixel remains.

    Returns float32 [3, H, W].  Deterministic: `rng` is not used.
    """
    rows, columns = (_nearest(length, max(1, int(length * scale))) for length in features.shape[1:])
    return features[:, rows][:, :, columns]


def _nearest(length: int, reduced: int) -> NDArray[np.int64]:
    """Return, for each pixel, the index of the one it shows after reducing to `reduced` pixels and enlarging again."""
    small = np.arange(length) * reduced // length
    picked: NDArray[np.int64] = (small * 2 + 1) * length // (2 * reduced)
    return picked


@image_corruption(version=1, severities=(0.0, 0.0, 0.0, 0.0, 0.0), within=(-10.0, 10.0), domain="feature")
def feature_blank(features: Features, value: float, rng: Generator) -> Features:
    """Replace the normalised image by one constant value; 0 is ImageNet's mean colour.

    Args:
        features: float32 [3, H, W].
        value: in normalised units.

    Returns float32 [3, H, W].  Deterministic: `rng` is not used.
    """
    return np.full_like(features, value)
