"""A second opinion for adapters: a linear discriminant classifier of the stored statistics of training features.

Fisher: The use of multiple measurements in taxonomic problems, Annals of Eugenics 1936.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

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
    """Give both opinions the same spread, and the sum the temperature of the run's own logits.

    So probabilities mean afterwards what they meant before.  The run is left alone where the sum is less accurate on
    these samples by more than two standard errors, or cannot be fitted.

    Args:
        held_out: the same samples under each training scenario.
        frequencies: [C], share of each class in training.
    """
    logits = torch.cat([centre(each.logits.double()) for each in held_out])
    scores = torch.cat([each.scores for each in held_out])
    labels = torch.cat([each.labels for each in held_out])
    prior = centre(frequencies.double().clamp(min=1 / (2 * len(labels))).log()[None])[0]
    own = fit_temperature(logits.numpy(), labels.numpy())
    alone = Opinions(torch.ones(()), torch.zeros(()), (own.value * prior).float())
    spread = float(logits.std()), float(scores.std())
    if own.notices or min(spread) == 0:
        return alone
    both = logits / spread[0] + scores / spread[1]
    if is_worse(both, logits, labels):
        return alone
    factor = own.value / fit_temperature(both.numpy(), labels.numpy()).value
    return Opinions(torch.tensor(factor / spread[0]), torch.tensor(factor / spread[1]), alone.prior)


def centre(logits: Tensor) -> Tensor:
    """Subtract the mean over classes, which no probability depends on.  [B, C] to [B, C]."""
    return logits - logits.mean(dim=1, keepdim=True)


def is_worse(logits: Tensor, than: Tensor, labels: Tensor) -> bool:
    """Return whether logits are less accurate than others on the same samples, by more than two standard errors.

    Args:
        logits: [n, C].
        than: [n, C].
        labels: int64 [n].
    """
    right, right_before = ((each.argmax(dim=1) == labels).double() for each in (logits, than))
    gains = right - right_before
    return float(gains.mean()) < -2 * float(gains.std()) / math.sqrt(len(labels))
