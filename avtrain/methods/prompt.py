"""Prompt learning: a frozen backbone, and for every scenario a few learned tokens."""

import itertools
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead, joint_and_unimodal_loss
from avtrain.methods.prompt_parts import PromptedCrossAttention, PromptSets, Router

Inference = Literal["oracle", "concat", "router"]


class PromptConfig(Frozen):
    """Options of `prompt`."""

    depth: Literal["fusion", "input", "deep"] = Field("fusion", description="prompts also before the first layer; each")
    length: int = Field(8, description="input-level prompts a modality and scenario", ge=1)
    fusion_length: int = Field(8, description="attention-level prompts a modality and scenario", ge=1)
    heads: int = Field(4, description="attention heads of the fusion; must divide the backbone's width", ge=1)
    tokens: int = Field(20, description="groups of tokens a modality that the fusion reads", ge=1)
    dropout: float = Field(0.2, description="of what the fusion adds, and before the head", ge=0, lt=1)
    label_smoothing: float = Field(0.1, description="of the labels", ge=0, lt=1)
    unimodal_loss: float = Field(1.0, description="weight of each modality's own cross-entropy, beside the joint", ge=0)
    inference: Inference = Field("router", description="what the best epoch is chosen by, and validation scored with")
    router_width: int = Field(64, description="hidden units of the router", ge=1)


class Prompt(Method):
    """Frozen encoders, prompts before them, bidirectional cross-attention with prompts in its keys and values.

    Park: Prompt the Missing, CVPRW 2025 (TMM-OpenWorld): one set of prompts a scenario, backbone frozen.  Sound tokens
    attend to picture tokens and back, each with P learned keys and values (attention-level); `depth: input` adds P
    tokens before the first layer of each encoder, `deep` before every layer, where they replace those of the last.

    Which set a sample gets: `oracle`, that of its scenario, told; `concat`, all sets side by side; both as published.
    Ours, `router`: a mixture of the sets, P = sum_s w_s P_s, with w seen from the sample's own frozen features, so that
    nothing is told.  Trained are, together, the sets (each on its scenario), the router (to name the scenario), and
    both through the mixture.

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
    default_epochs = 40
    default_draws = 3
    inference_modes = ("oracle", "concat", "router")
    inherits = ("head.",)
    by_rows = ("backbone.encode_frozen", "_encode")  # coins and dropout come after: drawn for the whole batch

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: PromptConfig) -> None:
        super().__init__(backbone)
        self.freeze_backbone()
        width, modalities = backbone.width, backbone.modalities
        if width % config.heads:
            raise UsageError(f"method.heads is {config.heads}, but must divide the backbone's width of {width}")
        self.config, self.scenarios, self.inference = config, scenarios, config.inference
        self.cached_tokens = config.tokens if config.depth == "fusion" else None
        self.input_prompts = nn.ModuleDict()
        for modality in modalities if config.depth != "fusion" else ():
            layers = len(backbone.encoder(modality).blocks()) if config.depth == "deep" else 1
            self.input_prompts[modality] = nn.ModuleList(
                PromptSets(scenarios, config.length, width) for _ in range(layers)
            )
        self.fusion = nn.ModuleDict(
            {
                m: PromptedCrossAttention(scenarios, width, config.heads, config.fusion_length, config.dropout)
                for m in modalities
            }
        )
        self.router = Router(backbone.pooled_widths, config.router_width, scenarios)
        self.head = PooledHead(backbone, classes)

    def forward(self, batch: Batch) -> Prediction:
        frozen = self.backbone.frozen_tokens(batch, self.config.tokens) if self._reads_frozen else {}
        choice = None
        if self.inference == "oracle":
            choice = self._told(batch)
        elif self.inference == "router":
            choice = self._route(batch, frozen).softmax(dim=1)
        logits = self._predict(batch, frozen, choice).logits  # after fusion none belong to one modality alone
        return Prediction(logits, choice=choice if self.inference == "router" else None)

    def loss(self, batch: Batch) -> Tensor:
        frozen = self.backbone.frozen_tokens(batch, self.config.tokens)
        routed = self._route(batch, frozen)
        # each sample is told, or routed, by a coin of its own: one pass trains the sets in both ways of being chosen
        coin = torch.rand(batch.labels.shape[0], 1, device=batch.labels.device) < 0.5
        prediction = self._predict(batch, frozen, torch.where(coin, self._told(batch), routed.softmax(dim=1)))
        config = self.config
        return functional.cross_entropy(routed.float(), batch.scenario) + joint_and_unimodal_loss(
            prediction, batch, config.unimodal_loss, smoothing=config.label_smoothing
        )

    @property
    def _reads_frozen(self) -> bool:
        return self.config.depth == "fusion" or self.inference == "router"

    def _told(self, batch: Batch) -> Tensor:
        return functional.one_hot(batch.scenario, self.scenarios).float()

    def _route(self, batch: Batch, frozen: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            pooled = self.backbone.pool(frozen, batch.present)
        logits: Tensor = self.router(pooled, batch.present)
        return logits

    def _predict(self, batch: Batch, frozen: dict[str, Tensor], choice: Tensor | None) -> Prediction:
        tokens = frozen
        if self.config.depth != "fusion":
            tokens = {m: self._encode(m, batch, choice) for m in self.backbone.modalities}
        fused = {m: self._fuse(m, tokens, batch, choice) for m in tokens}
        pooled = self.backbone.pool(fused, batch.present)
        dropped = {m: functional.dropout(x, self.config.dropout, self.training) for m, x in pooled.items()}
        prediction: Prediction = self.head(dropped, batch)
        return prediction

    def _encode(self, modality: str, batch: Batch, choice: Tensor | None) -> Tensor:
        """Tokens with prompts before the first layer, or fresh ones before each; without them again at the end."""
        encoder = self.backbone.encoder(modality)
        with torch.no_grad():  # nothing below the prompts is trained
            tokens = encoder.embed(batch.inputs[modality])
        own = tokens.shape[1]
        for block, sets in itertools.zip_longest(encoder.blocks(), self._input_sets(modality)):
            if sets is not None:
                tokens = torch.cat([sets(choice, batch.labels.shape[0]), tokens[:, -own:]], dim=1)
            tokens = block(tokens)
        return encoder.reduce(encoder.last_norm(tokens)[:, -own:], self.config.tokens)

    def _input_sets(self, modality: str) -> nn.ModuleList:
        sets = self.input_prompts[modality]
        assert isinstance(sets, nn.ModuleList)
        return sets

    def _fuse(self, modality: str, tokens: dict[str, Tensor], batch: Batch, choice: Tensor | None) -> Tensor:
        others = [m for m in tokens if m != modality]
        context = torch.cat([tokens[m] for m in others], dim=1)
        visible = torch.cat([batch.present[m][:, None].expand(-1, tokens[m].shape[1]) for m in others], dim=1)
        fused: Tensor = self.fusion[modality](tokens[modality], context, visible, choice)
        return fused
