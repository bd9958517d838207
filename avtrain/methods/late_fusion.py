"""Late fusion: one classifier a modality, their scores averaged."""

import torch
from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, linear_heads, unimodal_losses


class LateFusionConfig(FeatureOptions):
    """Options of `late-fusion`."""


class LateFusion(UnimodalFeatures):
    """z_m = W_m h_m + b_m, each with a loss of its own; the prediction is the mean of those present.

    Zhang et al., CVPR 2024, Table 1 ("Late Fusion").  Released code: no part has this name; its ablation without
    gradient modification and without dynamic fusion, one head for all, reports the same numbers.
    """

    name = "late-fusion"
    source = "Zhang et al., CVPR 2024, Table 1"
    Config = LateFusionConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LateFusionConfig) -> None:
        super().__init__(backbone, config)
        self.heads = linear_heads(backbone.modalities, self.width, classes)

    def forward(self, batch: Batch) -> Prediction:
        logits = {m: self.heads[m](h) for m, h in self.features(batch).items()}
        return Prediction(mean_over_present(logits, batch.present), logits)

    def loss(self, batch: Batch) -> Tensor:
        losses = unimodal_losses(self(batch).per_modality, batch)
        return torch.stack(list(losses.values())).sum()
