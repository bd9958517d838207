"""FiLM: one modality scales and shifts the features of the other."""

from pydantic import Field
from torch import Tensor, nn

from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pair_fusion import PairFusion
from avtrain.methods.shared.unimodal_features import FeatureOptions


class FiLMConfig(FeatureOptions):
    """Options of `film`."""

    condition: str | None = Field(None, description="the modality that acts on the other; else audio, else the first")


class FiLM(PairFusion):
    """z = W (gamma * h_v + beta) + b with [gamma, beta] = W_f h_a + b_f: sound acts on the picture's features.

    Perez et al.: FiLM, Visual reasoning with a general conditioning layer, AAAI 2018, equations 1 and 2; as a baseline,
    Zhang et al., CVPR 2024, and Peng et al., CVPR 2022.  h, gamma, beta: [B, D].  A modality's own score is a linear
    probe's, and so is the prediction where the other is absent: see PairFusion.  Released code: Peng et al. fuse in
    this way, and answer that unimodal scores come from before the fusion; in that of Zhang et al. FiLM cannot run.
    """

    name = "film"
    source = "Perez et al., AAAI 2018"
    Config = FiLMConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: FiLMConfig) -> None:
        super().__init__(backbone, classes, config, "condition", config.condition)
        self.film = nn.Linear(self.width, 2 * self.width)
        self.head = nn.Linear(self.width, classes)

    def fuse(self, acting: Tensor, acted_on: Tensor) -> Tensor:
        gamma, beta = self.film(acting).chunk(2, dim=1)
        scores: Tensor = self.head(gamma * acted_on + beta)
        return scores
