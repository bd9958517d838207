"""A spiking transformer: integrate-and-fire neurons before every linear map, attention among spikes without softmax."""

from typing import Any

import snntorch as snn
import torch
from pydantic import Field
from snntorch import surrogate
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction, mean_over_present
from avtrain.methods.shared.context import context_of


class SpikingConfig(Frozen):
    """Options of `spiking`."""

    steps: int = Field(4, description="time steps", ge=1)
    depth: int = Field(1, description="spiking self-attention blocks a modality, before the cross-modal one", ge=1)
    heads: int = Field(4, description="attention heads; must divide the backbone's width", ge=1)
    decay: float = Field(0.5, description="part of a membrane potential that is left a step later", ge=0, le=1)
    tokens: int = Field(20, description="at most so many tokens a modality, each the mean of neighbours", ge=1)
    freeze: bool = Field(True, description="keep the backbone as it is")
    backbone_lr: float = Field(0.1, description="learning rate of a backbone that is not frozen, times the other", gt=0)


class Neurons(nn.Module):
    """Leaky integrate-and-fire neurons: currents over time to spikes, 0 or 1.  [T, ...] to [T, ...].

    U[t] = decay U[t - 1] + I[t] - (U[t - 1] > 1), and a spike where U[t] > 1; its derivative is an arctangent's.
    The potential U is zero before the first step of every call: nothing is left from one batch to the next.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.neuron = snn.Leaky(beta=decay, spike_grad=surrogate.atan())

    def forward(self, currents: Tensor) -> Tensor:
        potential, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            spike, potential = self.neuron(current, potential)
            spikes.append(spike)
        self.neuron.mem = potential.new_zeros(0)  # where the library would keep it, with all that led to it
        return torch.stack(spikes).to(currents.dtype)


def firing(width: int, decay: float) -> nn.Sequential:
    """Currents to spikes, each token's currents brought to one scale first.  [T, B, N, D] to [T, B, N, D]."""
    return nn.Sequential(nn.LayerNorm(width), Neurons(decay))


class SpikingAttention(nn.Module):
    """Q (K^T V) / sqrt(d) of spikes, made spikes again.  Zhou et al.: Spikformer, ICLR 2023.

    Spikes are never negative, so no softmax is needed, and K^T V may come first: linear in the number of tokens.
    """

    def __init__(self, width: int, heads: int, decay: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (
            nn.Sequential(nn.Linear(width, width, bias=False), firing(width, decay)) for _ in range(3)
        )
        self.fire = firing(width, decay)
        self.output = nn.Linear(width, width)

    def forward(self, spikes: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """spikes: [T, B, N, D].  context: [T, B, M, D], of which `visible`, bool [B, M], counts.  Returns currents."""
        query, key, value = self.query(spikes), self.key(context), self.value(context)
        if visible is not None:
            value = value * visible[:, :, None]
        query, key, value = (x.unflatten(-1, (self.heads, -1)).transpose(2, 3) for x in (query, key, value))
        mixed = query @ (key.transpose(-2, -1) @ value) * query.shape[-1] ** -0.5
        currents: Tensor = self.output(self.fire(mixed.transpose(2, 3).flatten(3)))
        return currents


class SpikingBlock(nn.Module):
    """Spiking attention and MLP; the currents they give are added.  [T, B, N, D] to [T, B, N, D]."""

    def __init__(self, width: int, config: SpikingConfig) -> None:
        super().__init__()
        self.fire = firing(width, config.decay)
        self.attention = SpikingAttention(width, config.heads, config.decay)
        self.mlp = nn.Sequential(
            firing(width, config.decay),
            nn.Linear(width, 4 * width, bias=False),
            firing(4 * width, config.decay),
            nn.Linear(4 * width, width),
        )

    def forward(self, currents: Tensor, context: Tensor | None = None, visible: Tensor | None = None) -> Tensor:
        """currents: [T, B, N, D].  context: [T, B, M, D], of which `visible`, bool [B, M], counts; None: themselves."""
        spikes = self.fire(currents)
        currents = currents + self.attention(spikes, spikes if context is None else self.fire(context), visible)
        mixed: Tensor = currents + self.mlp(currents)
        return mixed


class Spiking(Method):
    """Spiking transformers, one a modality, joined by spiking cross-modal attention, on a backbone's tokens.

    Guo et al.: Transformer-based spiking neural networks for multimodal audiovisual classification, IEEE TCDS 2023
    (SMMT).  Its code is not public, and only its abstract is known to us: spiking neurons and transformers combined, a
    sub-network for sound and one for pictures, and a spiking cross-attention module that fuses them.

    All else is our choice.  Tokens are the same current at every one of T steps.  Attention is Spikformer's.  Every
    linear map reads spikes, and branches are added as currents.  Each token's currents are brought to one scale by
    LayerNorm, where spiking networks mostly use batch norm: so no sample depends on its batch.  The logits are linear
    in the rates of the last spikes, means over steps and tokens, and averaged over the modalities present.  An absent
    modality's values do not spike for the other.  The tokens come from a pretrained backbone, which itself does not
    spike: energy figures of the paper do not carry over.
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
        self.encoders = nn.ModuleDict(
            {m: nn.Sequential(*(SpikingBlock(width, config) for _ in range(config.depth))) for m in modalities}
        )
        self.fusion = nn.ModuleDict({m: SpikingBlock(width, config) for m in modalities})
        self.fire = nn.ModuleDict({m: firing(width, config.decay) for m in modalities})
        self.heads = nn.ModuleDict({m: nn.Linear(width, classes) for m in modalities})

    def forward(self, batch: Batch) -> Prediction:
        steps = self.config.steps
        # {modality: [T, B, N, D]}
        currents = {m: self.encoders[m](x.expand(steps, *x.shape)) for m, x in self._tokens(batch).items()}
        fused = {m: self.fusion[m](x, *context_of(m, currents, batch.present)) for m, x in currents.items()}
        rates = {m: self.fire[m](x).mean(dim=(0, 2)) for m, x in fused.items()}  # {modality: [B, D]}, 0 to 1
        # after fusion no logits belong to one modality alone
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
        if self.reading is not None:
            return self.backbone.frozen_tokens(batch, self.reading)
        encoded = self.backbone.encode(batch)
        return {m: self.backbone.encoder(m).reduce(x, self.config.tokens) for m, x in encoded.items()}
