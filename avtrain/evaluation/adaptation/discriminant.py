"""A second opinion for adapters: a linear discriminant classifier of the stored statistics of training features.

Fisher: The use of multiple measurements in taxonomic problems, Annals of Eugenics 1936.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from avtrain.evaluation.adaptation.feature_statistics import FeatureStatistics
from avtrain.evaluation.temperature import fit_temperature

RIDGE = 0.5  # share of the diagonal in the covariance, which has more entries than there are samples


@dataclass(frozen=True)
class Discriminant:
    """Normal distributions of the features of each class, whose covariance is that within classes.

    Attributes:
        whitening: modality -> [F, F], whose product with its transpose is the inverse of the covariance.
        means: modality -> [C, F], whitened, means of the classes over all training scenarios.
    """

    whitening: Mapping[str, Tensor]
    means: Mapping[str, Tensor]

    @classmethod
    def of(cls, by_modality: Mapping[str, Mapping[str, FeatureStatistics]]) -> "Discriminant":
        """Build the classifier.

        Args:
            by_modality: modality -> training scenario -> statistics.
        """
        whitening, means = {}, {}
        for modality, scenarios in by_modality.items():
            found = list(scenarios.values())
            residuals = torch.cat([each.residuals for each in found]).double()
            covariance = residuals.T @ residuals / len(residuals)
            least = torch.stack([each.std for each in found]).double().mean(dim=0).square() * 1e-4
            diagonal = torch.diag(covariance.diagonal().maximum(least))
            factor = torch.linalg.cholesky((1 - RIDGE) * covariance + RIDGE * diagonal)
            whitening[modality] = torch.linalg.inv(factor).T
            mean = torch.stack([each.class_means for each in found]).double().mean(dim=0)
            means[modality] = mean @ whitening[modality]
        return cls(whitening, means)

    def scores(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood of each class, less the mean over classes, float64 [B, C].

        Args:
            features: modality -> [B, F].
            present: modality -> bool [B]; a missing modality says nothing.
        """
        parts = []
        for modality, means in self.means.items():
            squared = torch.cdist(features[modality].double().cpu() @ self.whitening[modality], means).square()
            parts.append(centre(-0.5 * squared).where(present[modality].cpu()[:, None], 0.0))
        return torch.stack(parts).sum(dim=0)


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
    """What the run and the discriminant say about samples that were not trained on, under one scenario.

    Attributes:
        logits: [n, C], of the run.
        scores: [n, C], of the discriminant.
        labels: int64 [n].
    """

    logits: Tensor
    scores: Tensor
    labels: Tensor


def fit_opinions(held_out: Sequence[HeldOut], frequencies: Tensor) -> Opinions:
    """Find the weights, from 0, with the lowest negative log-likelihood, in units of the run's temperature.

    So the temperature of the run still makes probabilities of the sum.  The run is left alone where the samples are
    too few to fit a temperature, or say too little (Wolpert: Stacked generalization, Neural Networks 1992).

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
    weights = stacking_weights(torch.stack([logits, scores], dim=2) / spread, labels)
    of_run, of_discriminant = (own.value * weights / spread).float()
    return Opinions(of_run, of_discriminant, alone.prior) if of_discriminant > 0 else alone


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


def centre(logits: Tensor) -> Tensor:
    """Subtract the mean over classes, which no probability depends on.  [B, C] to [B, C]."""
    return logits - logits.mean(dim=1, keepdim=True)
