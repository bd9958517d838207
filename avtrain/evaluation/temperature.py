"""The temperature of a classifier: the one number that logits are divided by so that probabilities mean what they say.

Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, section 4.2; Clarté et al.: Expectation consistency for
calibration of neural networks, UAI 2023, for how it is found.
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
    """Find the temperature at which the mean confidence is the accuracy.

    The one with the lowest negative log-likelihood is the same for a model that is wrong as often as its probabilities
    say.  For others a few samples that are wrong with great confidence decide it: methods that are trained without
    label smoothing became far too modest.

    One further sample is counted, whose class is unknown, and which is right as often as chance.  Without it, samples
    that are all classified correctly would give a temperature of zero; among n samples its share is 1 / n.

    The confidence falls with the temperature, so there is one solution, which is found by Brent's method.

    Args:
        logits: [n, classes]; some may be -inf, not all of a sample.
        labels: class indices, [n].
    """
    notices = _notices(logits, labels)
    if not len(logits) or np.all(_spread(logits) == 0):
        return FittedTemperature(1.0, (*notices, "the logits do not tell the classes apart, so 1 is used"))
    correct = float(np.sum(logits.argmax(axis=1) == labels))
    accuracy = (correct + 1 / logits.shape[1]) / (len(labels) + 1)

    def excess(log_temperature: float) -> float:
        scaled = (logits - logits.max(axis=1, keepdims=True)) * np.exp(-log_temperature)
        confidence = scipy.special.softmax(scaled, axis=1).max(axis=1)
        return float(np.mean(confidence) - accuracy)

    low, high = np.log(LOWEST), np.log(HIGHEST)
    if excess(high) >= 0:
        found, limit = HIGHEST, "the highest allowed: the logits are huge, or say nothing about the labels"
    elif excess(low) <= 0:
        found, limit = LOWEST, "the lowest allowed: the logits hardly differ"
    else:
        root: float = scipy.optimize.brentq(excess, low, high, xtol=1e-13)
        return FittedTemperature(float(np.exp(root)), notices)
    return FittedTemperature(found, (*notices, f"{found:g} is {limit}"))


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
