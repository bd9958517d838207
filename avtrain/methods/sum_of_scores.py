"""Sum: one linear classifier for each modality, their scores added."""

import torch

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, linear_heads, zero_absent


class SumConfig(FeatureOptions):
    """Options of `sum`."""


class Sum(UnimodalFeatures):
    """The sum of one linear classifier for each modality, z = sum_m (W_m h_m + b_m), trained by one loss on z.

    Zhang et al., CVPR 2024, Table 1 ("Sum").

    h_m is [B, D] and z is [B, C].  The scores of one modality are z_m = W_m h_m + b_m; an absent one is left out with
    its bias.  `concat` computes the same with one bias for all; `late-fusion` has a loss on every z_m and none on z.
    """

    name = "sum"
    source = "Zhang et al., CVPR 2024, Table 1"
    Config = SumConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: SumConfig) -> None:
        super().__init__(backbone, config)
        self.heads = linear_heads(backbone.modalities, self.width, classes)

    def forward(self, batch: Batch) -> Prediction:
        logits = {m: self.heads[m](h) for m, h in self.features(batch).items()}
        return Prediction(torch.stack([*zero_absent(logits, batch.present).values()]).sum(dim=0), logits)
