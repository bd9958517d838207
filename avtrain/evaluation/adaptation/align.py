"""Alignment: features that have left all training scenarios are moved back towards the nearest one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource, TestTimeAdapter
from avtrain.evaluation.adaptation.collect import pool_tokens
from avtrain.evaluation.adaptation.source import FeatureStatistics, Metric
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Method, Prediction

OUTSIDE = 1.3  # distance of a window, in 95 % quantiles of held-out batches, from which it has left a scenario
SEPARATION = 1.8  # shift of a window, in its own deviation along the shift, below which it is mixed
KEPT = 3.0  # part of a shift that is kept: so many times what held-out data show along a direction
WINDOW, FEWEST = 64, 16  # samples that a shift is estimated from, at most (or the batch) and at least
PASSES = 2  # predictions with aligned features, each with the classes that the one before predicted


@dataclass(frozen=True)
class SeenScenario:
    """One modality under one training scenario, ready for comparisons.

    Attributes:
        class_means: [C, F].
        metric: of distances.
        statistics: as stored.
    """

    class_means: Tensor
    metric: Metric
    statistics: FeatureStatistics

    @classmethod
    def of(cls, found: FeatureStatistics) -> "SeenScenario":
        """Return the scenario of statistics as they are stored."""
        return cls(found.class_means.double(), Metric.of(found.residuals, found.class_means, found.std), found)


@dataclass(frozen=True)
class Window:
    """The last samples of a stream that have a modality.

    Attributes:
        features: float64 [n, F].
        probabilities: float64 [n, C], of the classes.
    """

    features: Tensor
    probabilities: Tensor

    def joined(self, features: Tensor, probabilities: Tensor) -> "Window":
        """Return the window after further samples: the last ones, at least all of the new."""
        size = max(WINDOW, len(features))
        return Window(
            torch.cat([self.features, features.double().cpu()])[-size:],
            torch.cat([self.probabilities, probabilities.double().cpu()])[-size:],
        )


class Align(TestTimeAdapter):
    """Per modality, features that have left every training scenario are moved back towards the nearest one.

    This adapter is ours.  Distances are between the mean of a window of n samples and the centre of a training
    scenario s, as a root mean square over the directions of the covariance within classes, in standard deviations,
    without those along which the classes differ: a batch of few classes is not taken for another condition.  Nothing
    is done, bit for bit,

    - where the distance from any s is at most 1.3 times the 95 % quantile q of batches of n held-out samples under s
      (bootstrap): the condition is known, and what was learned for it serves best;
    - where the window's shift is below 1.8 times its own standard deviation along the shift: it mixes conditions,
      which have no common shift.  Of a half that is not shifted and a half that is, the ratio is at most 1;
    - while fewer than 16 samples have the modality.

    Otherwise the shift from the nearest scenario is subtracted: the mean of the features less what the classes
    predicted for them have on average,

        shift = mean_i x_i - mean_i p_i M_s          p_i [C]: prediction, M_s [C, F]: means of the classes

    except along each direction the part that held-out data show too, min(1, 3 q^2 variance / shift^2) of it:
    recordings that were not trained on differ along the same few directions as classes do, and moving those would do
    harm.  Deviations are not matched, since on the validation split of the pilot that lost more than it gained.

    The window is the batch, or the last 64 samples that have the modality where the batch has fewer.  Each modality
    is decided alone; missing ones are not touched.
    """

    name: ClassVar[str] = "align"
    source: ClassVar[str] = "ours"
    summary: ClassVar[str] = "the mean of each modality's features, where it has left every training scenario"

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        super().__init__(method, source)
        self.scenarios = {
            modality: [SeenScenario.of(each) for each in found.values()]
            for modality, found in source.statistics().by_modality.items()
        }
        self.windows: dict[str, Window] = {}
        self._checked: set[str] = set()

    def reset(self, stream: str) -> None:
        super().reset(stream)
        self.windows = {}

    @torch.no_grad()
    def adapt(self, batch: Batch) -> Prediction:
        tokens: Tokens = {}

        def keep(found: Tokens, batch: Batch) -> Tokens:
            tokens.update(found)
            return found

        prediction = predict_through(self.method, batch, keep)
        features = pool_tokens(self.method, tokens)
        windows = self._windows(features, batch.present, prediction)
        outside = [m for m, window in windows.items() if batch.present[m].any() and self._shift(m, window) is not None]
        for _ in range(PASSES if outside else 0):
            moved = {m: shift for m in outside if (shift := self._shift(m, windows[m])) is not None}

            def move(found: Tokens, batch: Batch, moved: Mapping[str, Tensor] = moved) -> Tokens:
                return {m: self._move(m, x, batch, moved[m]) if m in moved else x for m, x in found.items()}

            prediction = predict_through(self.method, batch, move, known=tokens)
            windows = self._windows(features, batch.present, prediction)
        self.windows = {m: Window(w.features[-WINDOW:], w.probabilities[-WINDOW:]) for m, w in windows.items()}
        return prediction

    def _windows(
        self, features: Mapping[str, Tensor], present: Mapping[str, Tensor], prediction: Prediction
    ) -> dict[str, Window]:
        """Return the window of each modality, this batch included."""
        probabilities = prediction.logits.double().softmax(dim=1)
        windows = {}
        for modality, x in features.items():
            there = present[modality]
            empty = Window(x.new_zeros(0, x.shape[1]).double().cpu(), probabilities[:0].cpu())
            windows[modality] = self.windows.get(modality, empty).joined(x[there], probabilities[there])
        return windows

    def _shift(self, modality: str, window: Window) -> Tensor | None:
        scenarios = self.scenarios.get(modality)
        return find_shift(window, scenarios) if scenarios and len(window.features) >= FEWEST else None

    def _move(self, modality: str, tokens: Tensor, batch: Batch, shift: Tensor) -> Tensor:
        """Subtract a shift of the pooled features from the tokens of the samples that have the modality."""
        encoder = self.method.backbone.encoder(modality)
        offset = -shift.to(tokens.device, torch.float32)
        mapped = encoder.rescale(tokens.float(), torch.ones_like(offset), offset)
        if modality not in self._checked:
            wanted = encoder.pool(tokens.float()) + offset
            if not torch.allclose(encoder.pool(mapped), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())):
                raise UsageError(
                    f"--adapt {self.name}: the {modality} encoder of backbone {self.method.backbone.name} pools tokens "
                    "in its own way, and has no `rescale` that fits it (avtrain.backbones.base.Encoder); add one"
                )
            self._checked.add(modality)
        return mapped.to(tokens.dtype).where(batch.present[modality][:, None, None], tokens)


def find_shift(window: Window, scenarios: Sequence[SeenScenario]) -> Tensor | None:
    """Return what to subtract from a window's features, [F]; None where they are better left alone.

    Args:
        window: of one modality.
        scenarios: of the training.
    """
    mean, size = window.features.mean(dim=0), len(window.features)
    distances = [each.metric.distance(mean) for each in scenarios]
    radii = [each.statistics.quantile(size) for each in scenarios]
    if any(d <= OUTSIDE * radius for d, radius in zip(distances, radii, strict=True)):
        return None
    place = distances.index(min(distances))
    nearest, radius, metric = scenarios[place], radii[place], scenarios[place].metric
    if is_mixed(window, metric):
        return None
    along = metric.along(mean - window.probabilities.mean(dim=0) @ nearest.class_means)
    natural = KEPT * radius**2 * metric.variances
    kept = (natural / along.square().clamp(min=1e-30)).clamp(max=1)
    return metric.directions @ (along * (1 - kept))


def is_mixed(window: Window, metric: Metric) -> bool:
    """Return whether a window seems to hold samples of several conditions.

    Args:
        window: outside all scenarios.
        metric: of the nearest scenario.
    """
    # along the line that separates the window from the scenario best, classes apart
    differences = metric.without_classes(window.features)
    line = differences.mean(dim=0)
    spread = float((differences @ (line / line.norm())).std())
    return float(line.norm()) < SEPARATION * spread
