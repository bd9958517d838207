"""The statistics of the training features of one modality under one scenario, and distances in their units."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from avbuild.scenarios.seeding import rng_for

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # batch sizes whose quantile is stored
REPLICATES, LEVEL = 400, 0.95  # of the bootstrap
RIDGE = 0.1  # share of the diagonal in the covariance, which has more entries than there are samples


@dataclass(frozen=True)
class FeatureSample:
    """The features of one modality of some samples under one scenario.

    Attributes:
        features: [n, F].
        labels: int64 [n].
        classes: number C of classes.
    """

    features: Tensor
    labels: Tensor
    classes: int


@dataclass(frozen=True)
class FeatureStatistics:
    """The features of one modality under one training scenario.

    Attributes:
        std: [F], above 0.
        class_means: [C, F]; the mean of all for a class without samples.
        residuals: [n, F], training features less the mean of their class.
        quantiles: [sizes], 95 % quantile of `Metric.distance` of batches of held-out samples, by the sizes in `SIZES`.
    """

    std: Tensor
    class_means: Tensor
    residuals: Tensor
    quantiles: Tensor

    def quantile(self, size: int) -> float:
        """Return the 95 % quantile of the distance of a batch's mean.  size: of the batch, from 1."""
        # between two sizes as the power law that it nearly is
        logs = np.interp(np.log(size), np.log(SIZES), self.quantiles.double().log().numpy())
        return float(np.exp(logs))


STATISTICS = tuple(field.name for field in fields(FeatureStatistics))


def covariance_within(residuals: Tensor, std: Tensor, ridge: float) -> Tensor:
    """Return the covariance of features within classes, float64 [F, F].

    Args:
        residuals: [n, F], features less the mean of their class.
        std: [F], above 0; sets the least variance.
        ridge: share of the diagonal, 0 to 1.
    """
    centred = residuals.double()
    covariance = centred.T @ centred / len(centred)
    diagonal = covariance.diagonal().maximum(1e-4 * std.double().square())
    return (1 - ridge) * covariance + ridge * torch.diag(diagonal)


@dataclass(frozen=True)
class Metric:
    """The unit of distances between features: their covariance within classes.

    Attributes:
        centre: [F], mean of the class means.
        directions: [F, F], one eigenvector a column.
        variances: [F], eigenvalues, above 0.
        classes: [K, F], orthonormal, along which the class means differ, in units of the deviations.
    """

    centre: Tensor
    directions: Tensor
    variances: Tensor
    classes: Tensor

    @classmethod
    def of(cls, residuals: Tensor, class_means: Tensor, std: Tensor) -> "Metric":
        """Return the metric of features.

        Args:
            residuals: [n, F], features less the mean of their class.
            class_means: [C, F].
            std: [F], above 0; sets the least variance.
        """
        means = class_means.double()
        variances, directions = torch.linalg.eigh(covariance_within(residuals, std, RIDGE))
        variances = variances.clamp(min=float(1e-6 * variances.max()))
        between = (means - means.mean(dim=0)) @ directions / variances.sqrt()
        _, sizes, classes = torch.linalg.svd(between, full_matrices=False)
        return cls(means.mean(dim=0), directions, variances, classes[sizes > 1e-6 * sizes.max()])

    def without_classes(self, features: Tensor) -> Tensor:
        """Return differences to the centre along each direction, in deviations, without those between classes.

        They tell conditions apart whichever classes there are.  [..., F] to [..., F].
        """
        whitened = (features.double() - self.centre) @ self.directions / self.variances.sqrt()
        return whitened - whitened @ self.classes.T @ self.classes

    def distance(self, mean: Tensor) -> float:
        """Return the root mean square of these differences for the mean [F] of some samples."""
        return float(self.without_classes(mean).square().mean().sqrt())


def summarise(
    training: Mapping[str, Mapping[str, FeatureSample]],
    held_out: Mapping[str, Mapping[str, FeatureSample]],
    seed: int,
) -> dict[str, dict[str, FeatureStatistics]]:
    """Compute the statistics of features, modality -> scenario -> statistics.

    Args:
        training: scenario -> modality -> training samples; fewer than two under a scenario are left out.
        held_out: the same of samples that were not trained on; training samples take the place of fewer than two.
        seed: decides the bootstrap's draws.
    """
    by_modality: dict[str, dict[str, FeatureStatistics]] = {}
    for scenario, modalities in training.items():
        for modality, sample in modalities.items():
            others = held_out.get(scenario, {}).get(modality, sample)
            if len(sample.labels) > 1:
                rng = rng_for(seed=seed, scenario=scenario, sample="bootstrap of batches", modality=modality, op=0)
                found = _summarise(sample, others if len(others.labels) > 1 else sample, rng)
                by_modality.setdefault(modality, {})[scenario] = found
    return by_modality


def _summarise(training: FeatureSample, held_out: FeatureSample, rng: np.random.Generator) -> FeatureStatistics:
    values = training.features.double()
    mean, std = values.mean(dim=0), values.std(dim=0)
    positive = std[std > 0]
    floor = 1e-3 * positive.median() if len(positive) else std.new_ones(())
    std = std.clamp(min=float(floor))  # a feature that is constant in training must not decide alone
    class_means = torch.stack(
        [
            values[training.labels == c].mean(dim=0) if (training.labels == c).any() else mean
            for c in range(training.classes)
        ]
    )
    residuals = values - class_means[training.labels]
    differences = Metric.of(residuals, class_means, std).without_classes(held_out.features)
    quantiles = []
    for size in SIZES:
        counts = rng.multinomial(size, np.full(len(differences), 1 / len(differences)), REPLICATES) / size
        means = torch.from_numpy(counts) @ differences
        quantiles.append(float(means.square().mean(dim=1).sqrt().quantile(LEVEL)))
    statistics = (std, class_means, residuals, torch.tensor(quantiles).clamp(min=1e-9))
    return FeatureStatistics(*(value.float() for value in statistics))
