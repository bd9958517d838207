"""A temperature for each sample, by how certain the model is of it: overall, in each modality, and in its router.

A corrupted modality flattens its own logits, so their entropy tells the condition that a sample is under, also one that
training never saw.  log T is linear in these numbers (Tomani et al.: Parameterized Temperature Scaling for Boosting the
Expressive Power in Post-Hoc Uncertainty Calibration, ECCV 2022, has a network in place of a line).
"""

import math
from collections.abc import Mapping

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from avbuild.frozen import Frozen
from avtrain.methods.base import Prediction

Floats = NDArray[np.float64]

PRIOR = 0.5  # standard deviation of a weight before the samples are seen: a signal changes log T by so much
JOINT = "certainty"


class Signal(Frozen):
    """One of the numbers that a sample's temperature depends on.

    Attributes:
        name: by `signals_of`.
        mean: over the samples of the fit.
        deviation: standard deviation over them.
        lowest: of them; a lower value counts as this one, so that no sample gets a temperature that was never fitted.
        highest: of them.
        weight: change of log T by one deviation.
    """

    name: str
    mean: float
    deviation: float = Field(gt=0)
    lowest: float
    highest: float
    weight: float


def signals_of(prediction: Prediction, present: Mapping[str, Tensor], temperature: float) -> dict[str, Tensor]:
    """Return the numbers that a sample's temperature may depend on, float64 [B] each.

    Args:
        prediction: of B samples.
        present: modality -> bool [B].
        temperature: of the run, so that the certainty is that of calibrated probabilities.

    Returns:
        `certainty`: from 0 (all classes are equally likely) to 1; `MODALITY certainty`: the same for the logits of one
        modality, 0 where it is missing; `MODALITY missing`: 0 or 1; `set 0`, ...: the weights of a router.
    """
    found = {JOINT: _certainty(prediction.logits, temperature)}
    for modality, logits in prediction.per_modality.items():
        certainty = _certainty(logits, temperature)
        found[f"{modality} certainty"] = certainty.where(present[modality], torch.zeros_like(certainty))
    for modality, there in present.items():
        found[f"{modality} missing"] = torch.logical_not(there).double()
    if prediction.choice is not None:
        found |= {f"set {index}": weight.double() for index, weight in enumerate(prediction.choice.unbind(dim=1))}
    return found


def log_factors(signals: tuple[Signal, ...], values: Mapping[str, Tensor]) -> Tensor:
    """Return the logarithm of each sample's temperature over that of the run, float64 [B].

    Args:
        signals: fitted, at least one.
        values: by `signals_of`.
    """
    parts = [
        s.weight / s.deviation * (values[s.name].clamp(s.lowest, s.highest) - s.mean)  # the fit saw nothing beyond
        for s in signals
    ]
    return torch.stack(parts).sum(dim=0)


def fit_signals(
    logits: Floats, labels: NDArray[np.int64], values: Mapping[str, Floats], temperature: float
) -> tuple[Signal, ...]:
    """Find the weights with the lowest negative log-likelihood, drawn towards 0 by a normal prior.

    Args:
        logits: [n, classes]; some may be -inf, not all of a sample.
        labels: class indices, [n].
        values: by `signals_of`, [n] each; those that are the same for all samples are left out.
        temperature: of the run.
    """
    used = {name: x for name, x in values.items() if x.std() > 1e-9}
    possible = np.isfinite(logits[np.arange(len(labels)), labels])
    if not used or not possible.any():
        return ()
    columns = np.stack([(x - x.mean()) / x.std() for x in used.values()], axis=1)[possible]
    kept, wanted = logits[possible] / temperature, labels[possible]
    kept = kept - kept.max(axis=1, keepdims=True)
    finite = np.where(np.isfinite(kept), kept, 0.0)
    own = kept[np.arange(len(wanted)), wanted]

    def objective(weights: Floats) -> tuple[float, Floats]:
        inverse = np.exp(-(columns @ weights))
        logs = scipy.special.log_softmax(kept * inverse[:, None], axis=1)
        loss = -np.sum(logs[np.arange(len(wanted)), wanted])
        slope = -inverse * (np.sum(np.exp(logs) * finite, axis=1) - own)
        prior = weights / PRIOR**2
        return float(loss + 0.5 * prior @ weights), columns.T @ slope + prior

    found = scipy.optimize.minimize(
        objective, np.zeros(len(used)), jac=True, method="L-BFGS-B", bounds=[(-2.0, 2.0)] * len(used)
    )
    return tuple(
        Signal(
            name=name,
            mean=float(x.mean()),
            deviation=float(x.std()),
            lowest=float(x.min()),
            highest=float(x.max()),
            weight=float(weight),
        )
        for (name, x), weight in zip(used.items(), found.x, strict=True)
    )


def _certainty(logits: Tensor, temperature: float) -> Tensor:
    """Return 1 - entropy / log C of the probabilities, float64 [B].  logits: [B, C]."""
    probabilities = (logits.double() / temperature).softmax(dim=1)
    entropy = torch.special.entr(probabilities).sum(dim=1)
    certainty: Tensor = 1 - entropy / math.log(max(2, logits.shape[1]))
    return certainty
