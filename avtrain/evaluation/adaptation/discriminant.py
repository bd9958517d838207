"""A linear discriminant classifier of the stored statistics of training features.

Fisher: The use of multiple measurements in taxonomic problems, Annals of Eugenics 1936.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from avtrain.evaluation.adaptation.feature_statistics import FeatureStatistics, covariance_within

IMPOSSIBLE = 1000.0  # logit below the largest, from which a probability is 0
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
            residuals = torch.cat([each.residuals for each in found])
            std = torch.stack([each.std for each in found]).double().mean(dim=0)
            mean = torch.stack([each.class_means for each in found]).double().mean(dim=0)
            factor = torch.linalg.cholesky(covariance_within(residuals, std, RIDGE))
            whitening[modality] = torch.linalg.inv(factor).T
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


def centre(logits: Tensor) -> Tensor:
    """Subtract the mean over classes, which no probability depends on.  [B, C] to [B, C]; some may be -inf."""
    finite = logits.maximum(logits.amax(dim=1, keepdim=True) - IMPOSSIBLE)
    return finite - finite.mean(dim=1, keepdim=True)
