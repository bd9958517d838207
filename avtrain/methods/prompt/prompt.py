"""Prompt learning: a frozen backbone, and a few learned prompts for every scenario."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.prompt.config import PromptConfig
from avtrain.methods.prompt.cross_attention import PromptedCrossAttention
from avtrain.methods.prompt.prompt_sets import PromptSets
from avtrain.methods.prompt.router import Router
from avtrain.methods.shared.context import context_of
from avtrain.methods.shared.head import PooledHead
from avtrain.methods.shared.mixup import mix
from avtrain.methods.shared.recipe import UNIFORM, blended_loss

MEMORISED_FUSION_LR = 0.001  # relative learning rate of the fusion's maps on a backbone that has memorised the clips


class Prompt(Method):
    """Frozen encoders and prompts for each scenario, in the keys and values of a bidirectional cross-attention.

    Park: Prompt the Missing, CVPRW 2025 (TMM-OpenWorld).

    Each scenario has one set of prompts, and the backbone is frozen.  Tokens x_m of one modality attend to those of the
    other, x_n, and to P learned keys and values (attention-level prompts):

        x_m + O softmax(Q(x_m) [P_K; K(x_n)]^T / sqrt(d)) [P_V; V(x_n)]          [B, N, D]

    `depth: input` adds P tokens before one layer of each encoder, `deep` before every layer from there on, where they
    replace those of the layer before; the output of the layers below is cached.

    Three ways of choosing the set of a sample:
      oracle   the set of the sample's true scenario, as published
      concat   all sets side by side, as published
      router   ours: a mixture P = sum_s w_s P_s, with w estimated from the sample's own frozen features

    Trained together are the sets, each on its scenario; the router, by cross-entropy to the true scenario; and both
    through the mixture.  `sets: shared` has one set for all scenarios, which shows what knowing them is worth.

    `training: as_published` learns each set alone on the samples of its scenario, behind a frozen backbone and the
    frozen head of the run of --init-from.  It needs prompts inside the encoders (`depth: input` or `deep`) and has no
    fusion, whose maps are part of no published checkpoint.  Sets share no weight and no blended sample; what they share
    is the clipping of the gradient.  The router, ours, is trained beside them.

    Released code: it cannot run, since its prompted block is built with an argument that it rejects and called without
    its prompts, no parameter passes its filter of trainable ones, and its attention runs across the batch.  It also
    trains on the first 30 % of every batch, and on four scenarios one after the other.  Here all sets are trained
    together, each sample with those of its own scenario; an absent modality is masked out of the keys and left out of
    the pooled result; and the head is trained further.  A run that starts from a fine-tuned one takes over its head
    too, as published, and begins where that run ended.
    """

    name = "prompt"
    source = "Park, Prompt the Missing, CVPRW 2025"
    Config = PromptConfig
    default_lr = 1e-3
    default_epochs = 20
    default_draws = 3
    inference_modes = ("oracle", "concat", "router")
    initial_prefixes = ("head.",)
    rowwise_calls = ("backbone.encode_frozen", "_encode")  # random draws come after: made for the whole batch

    backbone_of_a_run = False  # whether --init-from gave the backbone

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: PromptConfig) -> None:
        super().__init__(backbone)
        self.freeze_backbone()
        width, modalities = backbone.width, backbone.modalities
        if width % config.heads:
            raise UsageError(f"method.heads is {config.heads}, but must divide the backbone's width of {width}")
        self.config, self.inference = config, config.inference
        self.classes, self.scenarios = classes, scenarios
        self.alone = config.training == "as_published"
        self.swappable = config.sets == "scenario" and scenarios > 1
        fusion_only = config.depth == "fusion"
        if self.alone and fusion_only:
            raise UsageError(
                "method.training=as_published needs method.depth=input or deep: without a fusion, prompts are inside "
                "the encoders"
            )
        sets = 1 if config.sets == "shared" else scenarios
        if not fusion_only:
            backbone.require_prompts_among_tokens(f"method prompt with depth={config.depth}")
        self.reading = Reading(most=config.tokens) if fusion_only else Reading(below=config.below)
        self.input_prompts = nn.ModuleDict()
        for modality in () if fusion_only else modalities:
            encoder = backbone.encoder(modality)
            layers_above = len(encoder.blocks()) - encoder.layers_below(config.below)
            layers = layers_above if config.depth == "deep" else 1
            self.input_prompts[modality] = nn.ModuleList(PromptSets(sets, config.length, width) for _ in range(layers))
        self.fusion = nn.ModuleDict(
            {}
            if self.alone
            else {m: PromptedCrossAttention(sets, width, config.heads, config.fusion_length) for m in modalities}
        )
        self.router = Router(backbone.pooled_widths, config.router_width, scenarios)
        self.head = PooledHead(backbone, classes)
        if self.alone:
            self.head.requires_grad_(False)

    def load_initial_weights(self, weights: Mapping[str, Tensor]) -> None:
        head = {f"head.{key}": value.shape for key, value in self.head.state_dict().items()}
        if self.alone and any(key not in weights or weights[key].shape != shape for key, shape in head.items()):
            raise UsageError(
                "method.training=as_published keeps the head as it is: name a run with such a head and the same "
                "classes by --init-from, e.g. one of finetune with --train-on clean"
            )
        super().load_initial_weights(weights)
        self.backbone_of_a_run = bool(weights)

    def forward(self, batch: Batch) -> Prediction:
        batch = self._with_tokens(batch)
        choice = None  # concat: all sets
        if self.forced_set is not None:
            choice = self._true_sets(replace(batch, scenario=torch.full_like(batch.scenario, self.forced_set)))
        elif self.inference == "oracle":
            choice = self._true_sets(batch)
        elif self.inference == "router":
            choice = self._route(batch).softmax(dim=1)
        logits = self._predict(batch, choice).logits  # after the fusion none belong to one modality alone
        return Prediction(logits, choice=choice if self.inference == "router" else None)

    def loss(self, batch: Batch) -> Tensor:
        batch = self._with_tokens(batch)
        routed = self._route(batch)  # of samples as they are: blended ones are of no scenario that occurs in a test
        router_loss = functional.cross_entropy(routed.float(), batch.scenario)
        mixed, blend = mix(batch, 0.0 if self.alone else self.config.mixup, concentration=UNIFORM)
        sets = blend(self._true_sets(batch))  # blended samples get blended sets
        if not self.alone:
            # per sample, randomly use the true scenario's prompts or the router's mixture: one pass trains both
            use_true = torch.rand(sets.shape[0], 1, device=sets.device) < 0.5
            sets = torch.where(use_true, sets, blend(routed.softmax(dim=1)))
        prediction = self._predict(mixed, sets)
        return blended_loss(prediction, mixed, blend, self.classes, self.config) + router_loss

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        # A fine-tuned backbone has memorised the training clips, and at the full learning rate the fusion comes to rely
        # on the other modality's memorised tokens, which fails on new clips.  A pretrained one has not, and there the
        # fusion has everything to learn.
        fusion_lr = self.config.fusion_lr or (MEMORISED_FUSION_LR if self.backbone_of_a_run else 1.0)
        maps = {id(p) for name, p in self.fusion.named_parameters() if not name.endswith(".sets")}
        router = {id(p) for p in self.router.parameters()}
        trained = [p for p in self.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if id(p) not in maps | router], "lr": lr},
            {"params": [p for p in trained if id(p) in maps], "lr": lr * fusion_lr},
            {"params": [p for p in trained if id(p) in router], "lr": lr * self.config.router_lr},
        ]

    def _with_tokens(self, batch: Batch) -> Batch:
        """Return the batch with its frozen tokens: after the encoders, or below the first input-level prompts."""
        assert self.reading is not None
        return replace(batch, tokens=self.backbone.frozen_tokens(batch, self.reading))

    def _true_sets(self, batch: Batch) -> Tensor:
        """Return the choice of each sample's true scenario, one-hot, [B, S]."""
        return functional.one_hot(batch.scenario, self.scenarios).float()

    def _route(self, batch: Batch) -> Tensor:
        """Return the router's logits, [B, S]."""
        with torch.no_grad():
            pooled = self.backbone.pool(batch.tokens, batch.present)
        logits: Tensor = self.router(pooled, batch.present)
        return logits

    def _predict(self, batch: Batch, choice: Tensor | None) -> Prediction:
        """Predict with the chosen prompts.  choice: [B, S] or None, as for `PromptSets`."""
        tokens = batch.tokens
        if self.config.depth != "fusion":
            tokens = {m: self._encode(m, batch, choice) for m in self.backbone.modalities}
        if not self.alone:
            tokens = {m: self.fusion[m](x, *context_of(m, tokens, batch.present), choice) for m, x in tokens.items()}
        prediction: Prediction = self.head(self.backbone.pool(tokens, batch.present), batch)
        return prediction

    def _encode(self, modality: str, batch: Batch, choice: Tensor | None) -> Tensor:
        """Apply the remaining layers with prompts in front of the tokens; returns the tokens without prompts."""
        encoder, tokens = self.backbone.encoder(modality), batch.tokens[modality]
        count = tokens.shape[1]
        blocks = encoder.blocks()[encoder.layers_below(self.config.below) :]
        for block, sets in itertools.zip_longest(blocks, self._input_sets(modality)):
            if sets is not None:
                tokens = torch.cat([sets(choice, tokens.shape[0]), tokens[:, -count:]], dim=1)
            tokens = block(tokens)
        return encoder.reduce(encoder.last_norm(tokens)[:, -count:], self.config.tokens)

    def _input_sets(self, modality: str) -> nn.ModuleList:
        sets = self.input_prompts[modality]
        assert isinstance(sets, nn.ModuleList)
        return sets
