"""Highlights on drops of water, as ImageNet-C draws them: relief of the distance to the drops' edges, lit obliquely.

Every step is in whole numbers.
"""

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from avbuild.modalities.base import Pixels

Whole = NDArray[np.int16]  # [H, W]; no value here exceeds 29 * 4 * 255

# of the gradient's size at an edge. Canny's two thresholds are 50 and 150; edges of drops are far above either, and
# between them lies little, so one threshold does for both.
EDGE = 100
FARTHEST = 20  # largest distance to an edge that counts, pixels


def highlights(liquid: Pixels) -> NDArray[np.float32]:
    """Return how strongly each pixel of a liquid reflects.

    Args:
        liquid: uint8 [H, W], its height, 0 where dry.

    Returns float32 [H, W] in 0 to 1, where 1 is the brightest highlight of this image; all 0 if there is none.
    """
    edge = _edges(liquid)
    if not edge.any():
        return np.zeros(liquid.shape, np.float32)
    away = scipy.ndimage.distance_transform_cdt(~edge, "chessboard").astype(np.int16)
    relief = _spread(_sum3(np.minimum(away, FARTHEST, out=away)) // 9)
    around = _extended(relief)
    lit = around[1:-1, 2:] + around[2:, 1:-1] - around[:-2, 1:-1] - around[1:-1, :-2]
    lit += 2 * (around[2:, 2:] - around[:-2, :-2])
    lit += relief
    shine = _sum3(lit.clip(0, 255, out=lit)).astype(np.int32) * liquid
    return (shine / max(1, int(shine.max()))).astype(np.float32)


def _edges(plane: Pixels) -> NDArray[np.bool_]:
    """Return the pixels where the gradient is largest along its direction (Canny, PAMI 1986)."""
    around = _extended(plane)
    columns = around[:-2] + around[2:] + 2 * around[1:-1]
    rows = around[:, :-2] + around[:, 2:] + 2 * around[:, 1:-1]
    right, down = columns[:, 2:] - columns[:, :-2], rows[2:] - rows[:-2]
    across, along = np.abs(right), np.abs(down)
    size = np.zeros(around.shape, np.int16)
    own = size[1:-1, 1:-1]
    np.add(across, along, out=own)
    # of two equal neighbours the one to the left or above counts
    upright = (own > size[1:-1, :-2]) & (own >= size[1:-1, 2:])
    level = (own > size[:-2, 1:-1]) & (own >= size[2:, 1:-1])
    falling = (own > size[:-2, :-2]) & (own > size[2:, 2:])
    rising = (own > size[:-2, 2:]) & (own > size[2:, :-2])
    slanted = np.where((right ^ down) >= 0, falling, rising)
    # 29 / 12 is the tangent of 67.5 degrees, and its inverse that of 22.5
    top = np.where(29 * along < 12 * across, upright, np.where(29 * across < 12 * along, level, slanted))
    return np.asarray(top & (own > EDGE))


def _spread(plane: Whole) -> Whole:
    """Map values of 0 to 255 so that all are equally frequent (histogram equalisation)."""
    counts = np.bincount(plane.ravel(), minlength=256)
    lowest = counts[plane.min()]
    ranks = (np.cumsum(counts) - lowest) * 255.0 / max(1, plane.size - lowest)
    spread: Whole = np.rint(ranks).clip(0, 255).astype(np.int16).take(plane)
    return spread


def _sum3(plane: Whole) -> Whole:
    """Return the sum of the 3 by 3 pixels around each, edges extended."""
    around = _extended(plane)
    rows = around[:-2] + around[1:-1] + around[2:]
    total: Whole = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def _extended(plane: NDArray[Any]) -> Whole:
    """Repeat the outermost pixels once.  [H + 2, W + 2]"""
    height, width = plane.shape
    wide = np.empty((height + 2, width + 2), np.int16)
    wide[1:-1, 1:-1] = plane
    wide[0, 1:-1], wide[-1, 1:-1] = plane[0], plane[-1]
    wide[:, 0], wide[:, -1] = wide[:, 1], wide[:, -2]
    return wide
