"""Gating: one modality decides how much of each feature of the other passes."""

from pydantic import Field
from torch import Tensor, nn

from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pair_fusion import PairFusion
from avtrain.methods.shared.unimodal_features import FeatureOptions


class GatedConfig(FeatureOptions):
    """Options of `gated`."""

    gate: str | None = Field(None, description="the modality that gates the other; else audio, else the first")


class Gated(PairFusion):
    """z = W (sigmoid(W_a h_a + b_a) * (W_v h_v + b_v)) + b: sound gates the picture.

    Kiela et al.: Efficient large-scale multi-modal classification, AAAI 2018 (arXiv 1802.02892); as a baseline
    ("BiGated"), Zhang et al., CVPR 2024.  h: [B, D]; W_a and W_v keep the width.  A modality's own score is a linear
    probe's, and so is the prediction where the other is absent: see PairFusion.  Released code: gates in one direction,
    whatever the name says; in that of Zhang et al. it cannot run.
    """

    name = "gated"
    source = "Kiela et al., AAAI 2018"
    Config = GatedConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: GatedConfig) -> None:
        super().__init__(backbone, classes, config, "gate", config.gate)
        self.gate, self.value = nn.Linear(self.width, self.width), nn.Linear(self.width, self.width)
        self.head = nn.Linear(self.width, classes)

    def fuse(self, acting: Tensor, acted_on: Tensor) -> Tensor:
        scores: Tensor = self.head(self.gate(acting).sigmoid() * self.value(acted_on))
        return scores
