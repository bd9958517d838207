"""Prompt learning: a frozen backbone, and for every scenario a few learned tokens."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead


class PromptConfig(Frozen):
    """Options of `prompt`."""

    length: int = Field(8, description="input-level prompts a modality and scenario", ge=0)
    fusion_length: int = Field(8, description="attention-level prompts a modality and scenario", ge=1)
    heads: int = Field(4, description="attention heads of the fusion; must divide the backbone's width", ge=1)


class PromptSets(nn.Module):
    """One set of prompts a scenario.  Scenario indices [B] to tokens [B, P, D]."""

    def __init__(self, scenarios: int, length: int, width: int) -> None:
        super().__init__()
        self.sets = nn.Parameter(torch.randn(scenarios, length, width) * 0.02)

    def forward(self, scenario: Tensor) -> Tensor:
        chosen: Tensor = self.sets[scenario]
        return chosen


class PromptedCrossAttention(nn.Module):
    """Tokens of one modality look at the others' and at prompts in keys and values; the result is added to them.

    The output map starts at zero, so that training starts from the backbone's own features.
    """

    def __init__(self, scenarios: int, width: int, config: PromptConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_query, self.norm_context = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        # as in attention-level prompting, prompts join after the projections and are not projected themselves
        self.key_prompts = PromptSets(scenarios, config.fusion_length, width)
        self.value_prompts = PromptSets(scenarios, config.fusion_length, width)

    def forward(self, tokens: Tensor, context: Tensor, visible: Tensor, scenario: Tensor) -> Tensor:
        """tokens: [B, N, D].  context: [B, M, D].  visible: bool [B, M].  scenario: [B].  Returns [B, N, D]."""
        context = self.norm_context(context)
        key = torch.cat([self.key_prompts(scenario), self.key(context)], dim=1)
        value = torch.cat([self.value_prompts(scenario), self.value(context)], dim=1)
        always = visible.new_ones(len(visible), key.shape[1] - context.shape[1])
        mask = torch.cat([always, visible], dim=1)[:, None, None]
        query, key, value = (self._split(x) for x in (self.query(self.norm_query(tokens)), key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        fused: Tensor = tokens + self.output(mixed.transpose(1, 2).flatten(2))
        return fused

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class Prompt(Method):
    """Input-level prompts before frozen encoders, bidirectional cross-attention with prompts in its keys and values.

    Park: Prompt the Missing, CVPRW 2025 (TMM-OpenWorld): one set of prompts a scenario, backbone frozen, the set of a
    sample chosen by its scenario ("situation-specific", told: the oracle).  Input-level: P tokens before the first
    layer of each encoder.  Fusion: sound tokens attend to picture tokens and back, each with P learned keys and values.

    Released code cannot run: its prompted block is built with an argument it rejects and called without its prompts,
    no parameter passes its trainability filter, and its attention runs across the batch.  It also trains on the first
    30 % of every batch, on four scenarios one after the other.  Here all sets are trained together, each sample with
    its own scenario's; an absent modality is masked out of keys and left out of the pooled result; and the head goes on
    training.  Started from a fine-tuned run, head and all as published, it begins where that run ended.
    """

    name = "prompt"
    source = "Park, Prompt the Missing, CVPRW 2025"
    Config = PromptConfig
    default_lr = 1e-3
    inference_modes = ("oracle",)
    inference = "oracle"
    inherits = ("head.",)

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: PromptConfig) -> None:
        super().__init__(backbone)
        self.freeze_backbone()
        width, modalities = backbone.width, backbone.modalities
        if width % config.heads:
            raise UsageError(f"method.heads is {config.heads}, but must divide the backbone's width of {width}")
        self.input_prompts = nn.ModuleDict({m: PromptSets(scenarios, config.length, width) for m in modalities})
        self.fusion = nn.ModuleDict({m: PromptedCrossAttention(scenarios, width, config) for m in modalities})
        self.head = PooledHead(backbone, classes)

    def forward(self, batch: Batch) -> Prediction:
        tokens = {m: self._encode(m, batch) for m in self.backbone.modalities}  # {modality: [B, N, D]}
        fused = {m: self._fuse(m, tokens, batch) for m in tokens}
        # after fusion no logits belong to one modality alone
        return Prediction(self.head(self.backbone.pool(fused, batch.present), batch).logits)

    def _encode(self, modality: str, batch: Batch) -> Tensor:
        encoder = self.backbone.encoder(modality)
        with torch.no_grad():  # nothing below the prompts is trained
            tokens = encoder.embed(batch.inputs[modality])
        prompts = self.input_prompts[modality](batch.scenario)
        return encoder.transform(torch.cat([prompts, tokens], dim=1))[:, prompts.shape[1] :]

    def _fuse(self, modality: str, tokens: dict[str, Tensor], batch: Batch) -> Tensor:
        others = [m for m in tokens if m != modality]
        context = torch.cat([tokens[m] for m in others], dim=1)
        visible = torch.cat([batch.present[m][:, None].expand(-1, tokens[m].shape[1]) for m in others], dim=1)
        fused: Tensor = self.fusion[modality](tokens[modality], context, visible, batch.scenario)
        return fused
