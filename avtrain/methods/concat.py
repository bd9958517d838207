"""Concatenation: one linear classifier on the features of all modalities side by side."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, zero_absent


class ConcatConfig(FeatureOptions):
    """Options of `concat`."""


class Concat(UnimodalFeatures):
    """z = W [h_1; ...; h_M] + b, trained jointly: the baseline of balanced multimodal learning.

    Zhang et al., CVPR 2024, Table 1 ("Concat"); Peng et al., CVPR 2022.  A modality's own score is its part of z, which
    both use: z_m = W_m h_m + b / M, with W_m the columns that h_m meets.  The z_m of all sum to z; an absent one is
    left out.  `sum` is the same function with a bias a modality: they differ by how they start.
    """

    name = "concat"
    source = "Zhang et al., CVPR 2024, Table 1"
    Config = ConcatConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: FeatureOptions) -> None:
        super().__init__(backbone, config)
        self.head = nn.Linear(len(backbone.modalities) * self.width, classes)

    def forward(self, batch: Batch) -> Prediction:
        h = zero_absent(self.features(batch), batch.present)
        logits = self.head(torch.cat(list(h.values()), dim=1))
        return Prediction(logits, self.unimodal_logits(h))

    def unimodal_logits(self, h: dict[str, Tensor]) -> dict[str, Tensor]:
        """W_m h_m + b / M for every modality.  h: modality -> [B, D].  Returns [B, C] each."""
        columns = torch.split(self.head.weight, self.width, dim=1)
        return {m: linear(x, w, self.head.bias / len(h)) for (m, x), w in zip(h.items(), columns, strict=True)}
