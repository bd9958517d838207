"""The temperature of a classifier: the one number that logits are divided by so that probabilities mean what they say.

Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LOWEST, HIGHEST = 0.01, 100.0  # of a temperature
FEW = 30  # samples, below which a temperature is a guess


@dataclass(frozen=True)
class FittedTemperature:
    """A temperature, and what speaks against it.

    Attributes:
        value: from LOWEST to HIGHEST.
        notices: what the samples lacked, for people; empty where nothing was.
    """

    value: float
    notices: tuple[str, ...] = ()


def fit_temperature(logits: Floats, labels: Integers) -> FittedTemperature:
    """Find the temperature with the lowest negative log-likelihood.

    One further sample is counted, whose class is unknown: all classes are equally likely, and its logits are those of
    the mean sample.  Without it, samples that are all classified correctly would give a temperature of zero; among n
    samples its share is 1 / n.

    The likelihood is convex in 1 / T, so its slope has one zero, which is found by Brent's method.

    Args:
        logits: [n, classes]; some may be -inf, not all of a sample.
        labels: class indices, [n].
    """
    notices = _notices(logits, labels)
    possible = np.isfinite(logits[np.arange(len(labels)), labels])  # else no temperature makes the label possible
    kept = logits[possible] - logits[possible].max(axis=1, keepdims=True)
    wanted = labels[possible]
    if not len(kept) or np.all(_spread(kept) == 0):
        return FittedTemperature(1.0, (*notices, "the logits do not tell the classes apart, so 1 is used"))

    def slope(log_temperature: float) -> float:
        return _slope(kept, wanted, np.exp(-log_temperature))

    low, high = np.log(LOWEST), np.log(HIGHEST)
    if slope(high) >= 0:  # the best 1 / T is at or below that of the highest temperature
        found, limit = HIGHEST, "the highest allowed: the logits are huge, or say nothing about the labels"
    elif slope(low) <= 0:
        found, limit = LOWEST, "the lowest allowed: the logits hardly differ"
    else:
        return FittedTemperature(float(np.exp(scipy.optimize.brentq(slope, low, high, xtol=1e-13))), notices)
    return FittedTemperature(found, (*notices, f"{found:g} is {limit}"))


def _slope(logits: Floats, labels: Integers, inverse: float) -> float:
    """Return the derivative of the negative log-likelihood with respect to 1 / T.  logits: none above 0."""
    expected = _sum_finite(scipy.special.softmax(logits * inverse, axis=1), logits)
    of_unknown = _sum_finite(np.isfinite(logits) / np.isfinite(logits).sum(axis=1, keepdims=True), logits)
    own = np.sum(expected - logits[np.arange(len(labels)), labels])
    return float(own + np.mean(expected - of_unknown))


def _sum_finite(weights: Floats, logits: Floats) -> Floats:
    """Return the weighted sum of each row; what is -inf has no weight."""
    products: Floats = np.sum(weights * np.where(np.isfinite(logits), logits, 0.0), axis=1)
    return products


def _spread(logits: Floats) -> Floats:
    """Return the highest minus the lowest finite logit of each row."""
    spread: Floats = logits.max(axis=1) - np.where(np.isfinite(logits), logits, np.inf).min(axis=1)
    return spread


def _notices(logits: Floats, labels: Integers) -> tuple[str, ...]:
    found = []
    if len(labels) < FEW:
        found.append(f"only {len(labels)} samples")
    if len(labels) and len(np.unique(labels)) == 1:
        found.append("all samples are of one class")
    if len(labels) and np.all(logits.argmax(axis=1) == labels):
        found.append("all samples are classified correctly, so how often they are wrong is not known")
    return tuple(found)
