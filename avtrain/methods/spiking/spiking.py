"""A spiking transformer: integrate-and-fire neurons before every linear map, attention on spikes without softmax."""

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction, mean_over_present
from avtrain.methods.shared.context import context_of
from avtrain.methods.spiking.blocks import SpikingBlock, firing


class SpikingConfig(Frozen):
    """Options of `spiking`."""

    steps: int = Field(4, description="number of time steps", ge=1)
    depth: int = Field(1, description="spiking self-attention blocks of a modality, before the cross-modal one", ge=1)
    heads: int = Field(4, description="attention heads; must divide the backbone's width", ge=1)
    decay: float = Field(0.5, description="fraction of a membrane potential that is left one step later", ge=0, le=1)
    tokens: int = Field(20, description="upper limit of the tokens of a modality, each the mean of neighbours", ge=1)
    freeze: bool = Field(True, description="keep the backbone as it is")
    backbone_lr: float = Field(0.1, description="learning rate of a trained backbone, as a multiple of the other", gt=0)


class Spiking(Method):
    """A spiking transformer for each modality on a backbone's tokens, fused by spiking cross-modal attention.

    Guo et al.: Transformer-based spiking neural networks for multimodal audiovisual classification, IEEE TCDS 2023
    (SMMT).  Its code is not public, and only its abstract is known to us: spiking neurons and transformers combined,
    one sub-network for audio and one for images, and a spiking cross-attention module that fuses them.

    Everything else is our choice:
      - tokens are the same input current at each of T time steps;
      - attention is Spikformer's; every linear map reads spikes, and branches are added as currents;
      - currents are normalised by LayerNorm, where spiking networks mostly use batch norm, so that no sample depends on
        its batch;
      - logits are linear in the firing rates of the last spikes, averaged over time steps and tokens, and then over the
        modalities present;
      - the values of an absent modality are zero in the attention of the other.

    The tokens come from a pretrained backbone that does not spike, so the paper's energy figures do not apply here.
    """

    name = "spiking"
    source = "Guo et al., IEEE TCDS 2023 (from its abstract)"
    Config = SpikingConfig
    default_lr = 1e-3
    default_epochs = 20
    default_draws = 3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: SpikingConfig) -> None:
        super().__init__(backbone)
        width, modalities = backbone.width, backbone.modalities
        if width % config.heads:
            raise UsageError(f"method.heads is {config.heads}, but must divide the backbone's width of {width}")
        self.config = config
        if config.freeze:
            self.freeze_backbone()
            self.reading = Reading(most=config.tokens)
        shape = width, config.heads, config.decay
        self.encoders = nn.ModuleDict(
            {m: nn.Sequential(*(SpikingBlock(*shape) for _ in range(config.depth))) for m in modalities}
        )
        self.fusion = nn.ModuleDict({m: SpikingBlock(*shape) for m in modalities})
        self.fire = nn.ModuleDict({m: firing(width, config.decay) for m in modalities})
        self.heads = nn.ModuleDict({m: nn.Linear(width, classes) for m in modalities})

    def forward(self, batch: Batch) -> Prediction:
        steps = self.config.steps
        # {modality: [T, B, N, D]}
        currents = {m: self.encoders[m](x.expand(steps, *x.shape)) for m, x in self._tokens(batch).items()}
        fused = {m: self.fusion[m](x, *context_of(m, currents, batch.present)) for m, x in currents.items()}
        rates = {m: self.fire[m](x).mean(dim=(0, 2)) for m, x in fused.items()}  # {modality: [B, D]}, 0 to 1
        # after the fusion no logits belong to one modality alone
        return Prediction(mean_over_present({m: self.heads[m](x) for m, x in rates.items()}, batch.present))

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        if self.config.freeze:
            return super().parameter_groups(lr)
        spiking = [p for name, p in self.named_parameters() if not name.startswith("backbone.")]
        return [
            {"params": spiking, "lr": lr},
            {"params": list(self.backbone.parameters()), "lr": lr * self.config.backbone_lr},
        ]

    def _tokens(self, batch: Batch) -> dict[str, Tensor]:
        """Return the tokens of each modality, [B, N, D]."""
        if self.reading is not None:
            return self.backbone.frozen_tokens(batch, self.reading)
        encoded = self.backbone.encode(batch)
        return {m: self.backbone.encoder(m).reduce(x, self.config.tokens) for m, x in encoded.items()}
