"""Late fusion: one classifier for each modality, their scores averaged."""

import torch
from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, linear_heads, unimodal_losses


class LateFusionConfig(FeatureOptions):
    """Options of `late-fusion`."""


class LateFusion(UnimodalFeatures):
    """The mean of one classifier for each modality, z_m = W_m h_m + b_m, each trained by its own loss.

    Zhang et al., CVPR 2024, Table 1 ("Late Fusion").

    h_m is [B, D] and z_m is [B, C].  The mean is over the modalities that are present.

    Released code: nothing in it has this name; its ablation without gradient modification and without dynamic fusion,
    which has one head for all modalities, reports the same numbers.
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
