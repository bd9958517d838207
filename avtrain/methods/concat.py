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
    """One linear classifier on concatenated features, z = W [h_1; ...; h_M] + b, trained jointly.

    The baseline of balanced multimodal learning: Zhang et al., CVPR 2024, Table 1 ("Concat"); Peng et al., CVPR 2022.

    h_m is [B, D] and z is [B, C].  The scores of one modality are its part of z, as both papers use it,

        z_m = W_m h_m + b / M,

    where W_m are the D columns of W that multiply h_m; the z_m sum to z.  An absent modality is left out.  `sum` is the
    same function with a bias for each modality, and differs only in its initialisation.
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
        """Return z_m = W_m h_m + b / M, [B, C], for every modality.  h: modality -> [B, D]."""
        columns = torch.split(self.head.weight, self.width, dim=1)
        return {m: linear(x, w, self.head.bias / len(h)) for (m, x), w in zip(h.items(), columns, strict=True)}
