"""Scores of a classifier, in plain NumPy and float64."""

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


def calibration_error(probabilities: Floats, labels: Integers) -> float:
    """Expected calibration error: |accuracy - confidence| over 15 equal bins of confidence, weighted by their size.

    probabilities: [n, classes].  Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, eq. 3.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    size = np.bincount(bins, minlength=CALIBRATION_BINS)
    right = np.bincount(bins, weights=(predicted == labels).astype(np.float64), minlength=CALIBRATION_BINS)
    summed = np.bincount(bins, weights=confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(right - summed)[size > 0].sum() / len(labels))


def softmax(logits: Floats) -> Floats:
    """Rows to probabilities.  [n, classes]."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
