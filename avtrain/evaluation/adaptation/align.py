"""Alignment: features that have left all training scenarios are moved back to the nearest one."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource, Adapter
from avtrain.evaluation.adaptation.collect import pool_present
from avtrain.evaluation.adaptation.source import FeatureStatistics
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Method, Prediction

OUTSIDE = 1.5  # distance of a mean, in 95 % quantiles of training batches, from which it has left a scenario
SPREAD = 1.5  # spread along the shift, in that of the widest training scenario, from which a stream is mixed
WINDOW, FEWEST = 64, 16  # samples that the statistics of a stream are computed from, at most and at least


@dataclass(frozen=True)
class FeatureMap:
    """An affine map of features, x * scale + shift; both are [F]."""

    scale: Tensor
    shift: Tensor


class Align(Adapter):
    """Per modality, features outside every training scenario get the mean and the deviation of the nearest one.

    The distance of the window's mean from scenario s, over F features, is

        d_s = sqrt(1/F sum_f ((mean_f - mean_sf) / std_sf)^2)

    and q_s(n) is the 95 % quantile of d_s for batches of n training samples (bootstrap).  Nothing is done, bit for bit,

    - where d_s <= 1.5 q_s(n) for any s: the condition is known, and what was learned for it serves best;
    - where the window's features spread wider along the direction of the shift than 1.5 times those of any training
      scenario: samples of several conditions are mixed, and have no common shift;
    - while fewer than 16 samples have the modality.

    The window is the batch, or the last 64 samples that have the modality where the batch has fewer.  Each modality
    is decided alone; missing ones are not touched.  This adapter is ours.
    """

    name: ClassVar[str] = "align"
    source: ClassVar[str] = "ours; moments as in Sun et al., CORAL, 2016"
    summary: ClassVar[str] = "mean and deviation of features, where they have left every training scenario"

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        super().__init__(method, source)
        self.statistics = source.statistics()
        self.windows: dict[str, Tensor] = {}  # by modality, [n, F]
        self._checked: set[str] = set()

    def reset(self, stream: str) -> None:
        super().reset(stream)
        self.windows = {}

    @torch.no_grad()
    def adapt(self, batch: Batch) -> Prediction:
        return predict_through(self.method, batch, self._align)

    def _align(self, tokens: Tokens, batch: Batch) -> Tokens:
        aligned = dict(tokens)
        for modality, features in pool_present(self.method, tokens, batch).items():
            window = self._extend_window(modality, features)
            scenarios = self.statistics.by_modality.get(modality, {})
            if len(features) == 0 or len(window) < FEWEST or not scenarios:
                continue
            if (found := map_to_nearest(window, list(scenarios.values()))) is not None:
                present = batch.present[modality][:, None, None]
                aligned[modality] = self._apply(modality, tokens[modality], found).where(present, tokens[modality])
        return aligned

    def _extend_window(self, modality: str, features: Tensor) -> Tensor:
        """Return the features of the last samples, those of this batch included."""
        earlier = self.windows.get(modality, features[:0])
        window = torch.cat([earlier, features])[-max(WINDOW, len(features)) :]
        self.windows[modality] = window[-WINDOW:]
        return window

    def _apply(self, modality: str, tokens: Tensor, found: FeatureMap) -> Tensor:
        encoder = self.method.backbone.encoder(modality)
        mapped = encoder.rescale(tokens.float(), found.scale, found.shift)
        if modality not in self._checked:
            wanted = encoder.pool(tokens).float() * found.scale + found.shift
            if not torch.allclose(encoder.pool(mapped), wanted, rtol=1e-2, atol=1e-2 * float(wanted.abs().max())):
                raise UsageError(
                    f"--adapt align: the {modality} encoder of backbone {self.method.backbone.name} pools tokens in "
                    "its own way, and has no `rescale` that fits it (see avtrain.backbones.base.Encoder)"
                )
            self._checked.add(modality)
        return mapped.to(tokens.dtype)


def map_to_nearest(window: Tensor, scenarios: list[FeatureStatistics]) -> FeatureMap | None:
    """Return the map of a window's features to the nearest scenario; None where they are better left alone.

    Args:
        window: [n, F].
        scenarios: of the training.
    """
    scenarios = [_on(window.device, each) for each in scenarios]
    mean = window.mean(dim=0)
    distances = [each.distance(mean) for each in scenarios]
    if any(d <= OUTSIDE * each.quantile(len(window)) for d, each in zip(distances, scenarios, strict=True)):
        return None
    nearest = scenarios[distances.index(min(distances))]
    if is_mixed(window, nearest, scenarios):
        return None
    scale = nearest.std / window.std(dim=0).clamp(min=1e-3 * nearest.std)
    return FeatureMap(scale, nearest.mean - mean * scale)


def is_mixed(window: Tensor, nearest: FeatureStatistics, scenarios: list[FeatureStatistics]) -> bool:
    """Return whether a window seems to hold samples of several conditions.

    Args:
        window: [n, F], outside all scenarios.
        nearest: the scenario whose deviations are the units.
        scenarios: all.
    """
    direction = (window.mean(dim=0) - nearest.mean) / nearest.std
    direction = direction / direction.norm()

    def spread(features: Tensor) -> float:
        return float(((features / nearest.std) @ direction).std())

    return spread(window) > SPREAD * max(spread(each.samples) for each in scenarios)


def _on(device: torch.device, found: FeatureStatistics) -> FeatureStatistics:
    if found.mean.device == device:
        return found
    return FeatureStatistics(
        found.mean.to(device), found.std.to(device), found.samples.to(device), found.quantiles
    )
