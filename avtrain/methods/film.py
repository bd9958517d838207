"""FiLM: the features of one modality are scaled and shifted by the other."""

from pydantic import Field
from torch import Tensor, nn

from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pair_fusion import PairFusion
from avtrain.methods.shared.unimodal_features import FeatureOptions


class FiLMConfig(FeatureOptions):
    """Options of `film`."""

    condition: str | None = Field(
        None, description="the modality that scales and shifts the other; None: audio, else the first"
    )


class FiLM(PairFusion):
    """The image's features scaled and shifted by the audio's, z = W (gamma * h_v + beta) + b.

    Perez et al.: FiLM, Visual reasoning with a general conditioning layer, AAAI 2018, equations 1 and 2; as a baseline,
    Zhang et al., CVPR 2024, and Peng et al., CVPR 2022.

        [gamma, beta] = W_f h_a + b_f

    h, gamma and beta are [B, D], z is [B, C]; the option `condition` exchanges the modalities.  The scores of one
    modality come from a linear probe, and so does the prediction where the other is absent: see `PairFusion`.

    Released code: Peng et al. fuse in this way, and answered that unimodal scores are computed before the fusion; the
    FiLM of Zhang et al. cannot run.
    """

    name = "film"
    source = "Perez et al., AAAI 2018"
    Config = FiLMConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: FiLMConfig) -> None:
        super().__init__(backbone, classes, config, "condition", config.condition)
        self.film = nn.Linear(self.width, 2 * self.width)
        self.head = nn.Linear(self.width, classes)

    def fuse(self, conditioning: Tensor, conditioned: Tensor) -> Tensor:
        gamma, beta = self.film(conditioning).chunk(2, dim=1)
        logits: Tensor = self.head(gamma * conditioned + beta)
        return logits
