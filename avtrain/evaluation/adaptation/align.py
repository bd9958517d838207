"""Alignment: a second opinion, and the classes of a stream that has left all training scenarios evened out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.discriminant import centre
from avtrain.evaluation.adaptation.feature_statistics import FeatureStatistics, Metric
from avtrain.evaluation.adaptation.second_opinion import SecondOpinion
from avtrain.methods.base import Method, Prediction

OUTSIDE = 1.1  # distance of a window, in 95 % quantiles of held-out batches, from which it has left a scenario
STRENGTH = 0.7  # part of the logits' mean over the window that is taken away
WINDOW, FEWEST = 128, 16  # samples that means are taken over, at most (or the batch) and at least


@dataclass(frozen=True)
class SeenScenario:
    """One modality under one training scenario.

    Attributes:
        metric: of distances.
        statistics: as stored.
    """

    metric: Metric
    statistics: FeatureStatistics

    @classmethod
    def of(cls, found: FeatureStatistics) -> "SeenScenario":
        """Return the scenario of statistics as they are stored."""
        return cls(Metric.of(found.residuals, found.class_means, found.std), found)

    def is_left_by(self, features: Tensor) -> bool:
        """Return whether samples are farther away than held-out ones of this scenario.  features: [n, F]."""
        radius = self.statistics.quantile(len(features))
        return self.metric.distance(features.mean(dim=0)) > OUTSIDE * radius


class Align(SecondOpinion):
    """The run and a discriminant classifier together; outside the training scenarios, no class is favoured.

    This adapter is ours.  It has two parts.

    1. Always: a second opinion, by `SecondOpinion`.
    2. Outside: the distance between the mean of the last n samples and a training scenario is a root mean square over
       the directions of the covariance within classes, in standard deviations, without those along which the classes
       differ, so that a batch of few classes is not taken for another condition.  Where it is above 1.1 times the 95 %
       quantile of batches of n held-out samples for every scenario, the stream has left what was trained on.  A shift
       of features then favours some classes, as linear classifiers turn it into an offset of their logits z:

           z_i - 0.7 (mean_j z_j - T log pi)        pi: share of each class in training, T: temperature of the run

       with the mean over the last 128 samples (or the batch).  Features themselves are not moved: for a linear
       classifier that is the same, and it needs many more numbers.  With 1 in place of 0.7 a stream of one class after
       the other loses more, and others gain little.

    A single modality outside is enough, for the samples that have it.  The mean is over samples with the same
    modalities; nothing is evened out while fewer than 16 of them were seen.
    """

    name: ClassVar[str] = "align"
    source: ClassVar[str] = "ours"
    summary: ClassVar[str] = "adds a discriminant classifier; evens classes out where training scenarios are left"

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        super().__init__(method, source)
        self.scenarios = {
            modality: [SeenScenario.of(each) for each in found.values()]
            for modality, found in self.statistics.by_modality.items()
        }
        self.reset("")

    def reset(self, stream: str) -> None:
        super().reset(stream)
        self.features: dict[str, Tensor] = {}  # modality -> [n, F], of the last samples that have it
        self.logits: dict[tuple[bool, ...], Tensor] = {}  # which modalities -> [n, C], of the last such samples

    @torch.no_grad()
    def adapt(self, batch: Batch) -> Prediction:
        prediction, features = self.both(batch)
        for modality, x in features.items():
            self.features[modality] = last_of(self.features.get(modality), x[batch.present[modality]].double().cpu())
        outside = {m for m in self.scenarios if self._is_outside(m)}
        logits, changed = centre(prediction.logits.double().cpu()), False
        for present, rows in rows_by_presence(batch.present).items():
            self.logits[present] = last_of(self.logits.get(present), logits[rows])
            there = {m for m, has in zip(batch.present, present, strict=True) if has}
            if outside & there and len(self.logits[present]) >= FEWEST:
                offset = self.logits[present].mean(dim=0) - self.statistics.opinions.prior
                logits[rows] -= STRENGTH * offset
                changed = True
        return replace(prediction, logits=logits.to(prediction.logits)) if changed else prediction

    def _is_outside(self, modality: str) -> bool:
        """Return whether the last samples of a modality have left all training scenarios."""
        features = self.features.get(modality)
        if features is None or len(features) < FEWEST:
            return False
        return all(each.is_left_by(features) for each in self.scenarios[modality])


def rows_by_presence(present: Mapping[str, Tensor]) -> dict[tuple[bool, ...], Tensor]:
    """Return the rows [n] of each combination of modalities that samples have.

    Args:
        present: modality -> bool [B]; the combinations are in its order.
    """
    table = torch.stack(list(present.values()), dim=1).cpu()
    found: dict[tuple[bool, ...], list[int]] = {}
    for row, combination in enumerate(table.tolist()):
        found.setdefault(tuple(combination), []).append(row)
    return {combination: torch.tensor(rows) for combination, rows in found.items()}


def last_of(earlier: Tensor | None, new: Tensor) -> Tensor:
    """Return the last 128 rows of two tensors, and all of the new one."""
    joined = new if earlier is None else torch.cat([earlier, new])
    return joined[-max(WINDOW, len(new)) :]
