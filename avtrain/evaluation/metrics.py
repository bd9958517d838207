"""Scores of a classifier, in plain NumPy and float64."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def accuracy(predicted: Integers, labels: Integers) -> float:
    """Part of the labels that are predicted.  [n], [n]."""
    return float(np.mean(predicted == labels))


def confusion_matrix(predicted: Integers, labels: Integers, classes: int) -> Integers:
    """Counts, [classes, classes]: rows are labels, columns predictions."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1(confusion: Integers) -> float:
    """Mean over the classes that occur, as label or prediction, of 2 TP / (2 TP + FP + FN)."""
    hits = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurs = total > 0
    return float(np.mean(2 * hits[occurs] / total[occurs]))


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same confidence."""

    confidence: float | None  # their mean; None in an empty bin
    accuracy: float | None
    count: int


def reliability(probabilities: Floats, labels: Integers) -> tuple[Bin, ...]:
    """How often predictions of each confidence are right, in 15 equal bins; a bin holds its upper edge.

    probabilities: [n, classes].  Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, section 2.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    right = predicted == labels
    members = [bins == index for index in range(CALIBRATION_BINS)]
    return tuple(
        Bin(float(np.mean(confidence[inside])), float(np.mean(right[inside])), int(inside.sum()))
        if inside.any()
        else Bin(None, None, 0)
        for inside in members
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: |accuracy - confidence| of the bins, weighted by their size.  Guo et al., eq. 3."""
    gaps = [b.count * abs((b.accuracy or 0.0) - (b.confidence or 0.0)) for b in bins if b.count]
    return sum(gaps) / sum(b.count for b in bins)


def pooled(parts: Sequence[Sequence[Bin]]) -> tuple[Bin, ...]:
    """The bins of several sets of predictions taken together."""
    return tuple(_merged(bins) for bins in zip(*parts, strict=True))


def _merged(bins: Sequence[Bin]) -> Bin:
    count = sum(b.count for b in bins)
    if count == 0:
        return Bin(None, None, 0)
    confidence = sum(b.count * (b.confidence or 0.0) for b in bins) / count
    return Bin(confidence, sum(b.count * (b.accuracy or 0.0) for b in bins) / count, count)


def softmax(logits: Floats) -> Floats:
    """Rows to probabilities.  [n, classes]."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
