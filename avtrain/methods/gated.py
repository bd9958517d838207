"""Gating: one modality decides how much of each feature of the other is passed on."""

from pydantic import Field
from torch import Tensor, nn

from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pair_fusion import PairFusion
from avtrain.methods.shared.unimodal_features import FeatureOptions


class GatedConfig(FeatureOptions):
    """Options of `gated`."""

    gate: str | None = Field(None, description="the modality that gates the other; None: audio, else the first")


class Gated(PairFusion):
    """The image's features gated by the audio's, z = W (sigmoid(W_a h_a + b_a) * (W_v h_v + b_v)) + b.

    Kiela et al.: Efficient large-scale multi-modal classification, AAAI 2018 (arXiv 1802.02892); as a baseline
    ("BiGated"), Zhang et al., CVPR 2024.

    h is [B, D], W_a and W_v are [D, D], z is [B, C]; the option `gate` exchanges the modalities.  The scores of one
    modality come from a linear probe, and so does the prediction where the other is absent: see `PairFusion`.

    Released code: the baseline gates in one direction in spite of its name, and that of Zhang et al. cannot run.
    """

    name = "gated"
    source = "Kiela et al., AAAI 2018"
    Config = GatedConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: GatedConfig) -> None:
        super().__init__(backbone, classes, config, "gate", config.gate)
        self.gate, self.value = nn.Linear(self.width, self.width), nn.Linear(self.width, self.width)
        self.head = nn.Linear(self.width, classes)

    def fuse(self, conditioning: Tensor, conditioned: Tensor) -> Tensor:
        logits: Tensor = self.head(self.gate(conditioning).sigmoid() * self.value(conditioned))
        return logits
