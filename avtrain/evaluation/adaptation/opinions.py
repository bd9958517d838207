"""The weights by which the run and the discriminant are added, fitted on the validation split.

Wolpert: Stacked generalization, Neural Networks 1992.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from avtrain.evaluation.adaptation.discriminant import centre
from avtrain.evaluation.temperature import fit_temperature


@dataclass(frozen=True)
class Opinions:
    """The weights by which logits of the run and scores of the discriminant are added.

    Attributes:
        own: of the run's logits.
        discriminant: of the discriminant's scores; 0 where they are not used.
        prior: [C], what the sum is on average, as far as the classes' frequencies in training decide it.
    """

    own: Tensor
    discriminant: Tensor
    prior: Tensor

    @classmethod
    def alone(cls, classes: int) -> "Opinions":
        """Return the weights of a run that is not helped by the discriminant."""
        return cls(torch.ones(()), torch.zeros(()), torch.zeros(classes))

    def add(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Return the weighted sum, float64 [B, C] on the CPU."""
        return self.own.double() * centre(logits.double().cpu()) + self.discriminant.double() * scores


OPINIONS = tuple(field.name for field in fields(Opinions))


@dataclass(frozen=True)
class HeldOut:
    """The logits of the run and of the discriminant for samples that were not trained on, under one scenario.

    Attributes:
        logits: [n, C], of the run.
        scores: [n, C], of the discriminant.
        labels: int64 [n].
    """

    logits: Tensor
    scores: Tensor
    labels: Tensor


def fit_opinions(held_out: Sequence[HeldOut], frequencies: Tensor) -> Opinions:
    """Find the weights, from 0, with the lowest negative log-likelihood.

    Their sum is scaled so that the temperature of the run still makes probabilities of it.  The discriminant has at
    most the weight of the run, both with the same spread: it is the second opinion.  The run is left alone where the
    samples are too few to fit a temperature, or say too little.

    Args:
        held_out: the same samples under each training scenario.
        frequencies: [C], share of each class in training.
    """
    logits = torch.cat([centre(each.logits.double()) for each in held_out])
    scores = torch.cat([each.scores for each in held_out])
    labels = torch.cat([each.labels for each in held_out])
    own = fit_temperature(logits.numpy(), labels.numpy())
    shares = frequencies.double().clamp(min=1 / (2 * len(labels)))
    alone = Opinions(torch.ones(()), torch.zeros(()), (own.value * centre(shares.log()[None])[0]).float())
    spread = torch.stack([logits.std(), scores.std()])
    if own.notices or float(spread.min()) == 0:
        return alone
    of_run, of_discriminant = logits / spread[0], scores / spread[1]
    # weights from 0 of the run and of both together keep the discriminant's at or below the run's
    alone_too, both = stacking_weights(torch.stack([of_run, of_run + of_discriminant], dim=2), labels)
    together = (alone_too + both) * of_run + both * of_discriminant
    scale = own.value / fit_temperature(together.numpy(), labels.numpy()).value
    own_weight, weight = (scale * torch.stack([alone_too + both, both]) / spread).float()
    return Opinions(own_weight, weight, alone.prior) if weight > 0 else alone


def stacking_weights(opinions: Tensor, labels: Tensor) -> Tensor:
    """Return the weights, from 0, whose sum of opinions has the lowest negative log-likelihood, which is convex.

    Args:
        opinions: float64 [n, C, K], logits by K classifiers.
        labels: int64 [n].
    """
    own = opinions[torch.arange(len(labels)), labels]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = opinions @ torch.from_numpy(weights)
        expected = torch.einsum("nc,nck->nk", logits.softmax(dim=1), opinions)
        return float(cross_entropy(logits, labels)), (expected - own).mean(dim=0).numpy()

    count = opinions.shape[2]
    start, bounds = np.full(count, 1 / count), [(0.0, None)] * count
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return torch.from_numpy(found.x)
