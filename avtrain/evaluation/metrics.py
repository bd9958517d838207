"""Metrics of a classifier, in NumPy and float64."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

CALIBRATION_BINS = 15

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def accuracy(predicted: Integers, labels: Integers) -> float:
    """Compute the fraction of correct predictions.

    Args:
        predicted: class indices, [n].
        labels: class indices, [n].
    """
    return float(np.mean(predicted == labels))


def confusion_matrix(predicted: Integers, labels: Integers, classes: int) -> Integers:
    """Count predictions by label.

    Args:
        predicted: class indices, [n].
        labels: class indices, [n].
        classes: number of classes.

    Returns:
        [classes, classes]: rows are labels, columns are predictions.
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1(confusion: Integers | Floats) -> float:
    """Compute the mean of 2 TP / (2 TP + FP + FN) over the classes that occur as label or prediction.

    Args:
        confusion: by `confusion_matrix`.
    """
    hits = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurs = total > 0
    return float(np.mean(2 * hits[occurs] / total[occurs]))


@dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence.

    Attributes:
        confidence: their mean; None for an empty bin.
        accuracy: fraction of correct ones; None for an empty bin.
        count: number of predictions.
    """

    confidence: float | None
    accuracy: float | None
    count: int


def reliability(probabilities: Floats, labels: Integers) -> tuple[Bin, ...]:
    """Compute how often predictions of each confidence are correct, in 15 bins of equal width.

    Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, section 2.

    Args:
        probabilities: [n, classes].
        labels: class indices, [n].

    Returns:
        15 bins from confidence 0 to 1; a bin includes its upper edge.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    correct = predicted == labels
    members = [bins == index for index in range(CALIBRATION_BINS)]
    return tuple(
        Bin(float(np.mean(confidence[inside])), float(np.mean(correct[inside])), int(inside.sum()))
        if inside.any()
        else Bin(None, None, 0)
        for inside in members
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Compute the expected calibration error, the mean |accuracy - confidence| weighted by the bins' counts.

    Guo et al., equation 3.

    Args:
        bins: by `reliability`.
    """
    gaps = [b.count * abs((b.accuracy or 0.0) - (b.confidence or 0.0)) for b in bins if b.count]
    return sum(gaps) / sum(b.count for b in bins)


def calibration_floor(bins: Sequence[Bin]) -> float:
    """Compute the expected calibration error that probabilities which mean what they say would have by chance.

    The fewer samples, the more their accuracy differs from their confidence.  Correct predictions in a bin of n with
    confidence p are taken as binomial, whose mean absolute deviation is 2 n p (1 - p) P(k = [n p]), k of n - 1 (de
    Moivre).

    Args:
        bins: by `reliability`.
    """
    filled = [(b.count, b.confidence or 0.0) for b in bins if b.count]
    count, confidence = np.array(filled).T
    places = np.minimum(np.floor(count * confidence), count - 1)
    spread = 2 * count * confidence * (1 - confidence) * scipy.stats.binom.pmf(places, count - 1, confidence)
    return float(spread.sum() / count.sum())


def pooled(parts: Sequence[Sequence[Bin]]) -> tuple[Bin, ...]:
    """Merge the bins of several sets of predictions.  parts: by `reliability`, one for each set."""
    return tuple(_merged(bins) for bins in zip(*parts, strict=True))


def _merged(bins: Sequence[Bin]) -> Bin:
    count = sum(b.count for b in bins)
    if count == 0:
        return Bin(None, None, 0)
    confidence = sum(b.count * (b.confidence or 0.0) for b in bins) / count
    return Bin(confidence, sum(b.count * (b.accuracy or 0.0) for b in bins) / count, count)


def softmax(logits: Floats) -> Floats:
    """Turn logits into probabilities.  [n, classes] to [n, classes]."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def negative_log_likelihood(logits: Floats, labels: Integers) -> float:
    """Compute the mean of -log of the probability of the true class, in nats; infinite where one is zero.

    Args:
        logits: [n, classes].
        labels: class indices, [n].
    """
    return float(-np.mean(scipy.special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels]))


def brier_score(probabilities: Floats, labels: Integers) -> float:
    """Compute the mean squared distance between probabilities and the true class as a one-hot vector, 0 to 2.

    Brier: Verification of forecasts expressed in terms of probability, Monthly Weather Review 1950.

    Args:
        probabilities: [n, classes].
        labels: class indices, [n].
    """
    distances = probabilities - np.eye(probabilities.shape[1])[labels]
    return float(np.mean(np.sum(distances**2, axis=1)))


def risk_coverage(confidence: Floats, correct: NDArray[np.bool_]) -> Floats:
    """Compute the error among the k most confident predictions, for k from 1 to n.

    Geifman and El-Yaniv: Selective classification for deep neural networks, NeurIPS 2017.  Predictions of equal
    confidence cannot be told apart, so each counts as the mean of its equals.

    Args:
        confidence: probability of the predicted class, [n].
        correct: whether each prediction is right, [n].

    Returns:
        The risk at each coverage k / n, [n].
    """
    rounded = np.round(confidence, 12)  # the order in which a softmax adds its classes changes the last digits
    _, place, count = np.unique(-rounded, return_inverse=True, return_counts=True)
    errors = np.bincount(place, weights=~correct) / count
    ordered = np.repeat(errors, count)
    risks: Floats = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return risks


def area_under_risk_coverage(risks: Floats) -> float:
    """Compute the mean risk over all coverages; lower is better.  risks: by `risk_coverage`."""
    return float(np.mean(risks))
