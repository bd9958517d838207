"""Tent: the entropy of predictions is minimised by the norm layers' scale and shift."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.gradient import GradientAdapter, entropy, norm_weights
from avtrain.methods.base import Method, Prediction

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NORMS = (nn.LayerNorm, nn.GroupNorm, *BATCH_NORMS)


class Tent(GradientAdapter):
    """The mean entropy of the batch's predictions, minimised by scale and shift of all norm layers.

    Wang et al.: Tent: Fully test-time adaptation by entropy minimization, ICLR 2021.

    Batch norms take mean and variance from the batch, as published.  Predictions are those of the forward pass whose
    entropy is minimised, before the step.  Adam at 1e-4, as multimodal work uses it on layer norms.
    """

    name: ClassVar[str] = "tent"
    source: ClassVar[str] = "Wang et al., ICLR 2021"
    summary: ClassVar[str] = "scale and shift of all norm layers, by the entropy of predictions"

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        super().__init__(method, source)
        self._batch_norms = [module for module in method.modules() if isinstance(module, BATCH_NORMS)]

    def select(self) -> Sequence[nn.Parameter]:
        return norm_weights(self.method, NORMS, self.name)

    def forward(self, batch: Batch) -> Prediction:
        tracked = [norm.track_running_stats for norm in self._batch_norms]
        running = [(norm.running_mean, norm.running_var) for norm in self._batch_norms]
        try:
            for norm in self._batch_norms:  # without running statistics, a norm in eval mode takes those of the batch
                norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
            return super().forward(batch)
        finally:
            for norm, track, (mean, var) in zip(self._batch_norms, tracked, running, strict=True):
                norm.track_running_stats, norm.running_mean, norm.running_var = track, mean, var

    def loss(self, batch: Batch, prediction: Prediction) -> Tensor:
        return entropy(prediction.logits).mean()
