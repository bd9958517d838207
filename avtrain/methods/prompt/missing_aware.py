"""Missing-aware prompts: a frozen backbone, and prompts chosen by the modalities that a sample has."""

import itertools
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.shared.head import PooledHead
from avtrain.methods.shared.recipe import Recipe, recipe_loss


class MissingAwarePromptConfig(Recipe):
    """Options of `map`."""

    kind: Literal["input", "attention"] = Field("input", description="prompts among the tokens; or in keys and values")
    length: int = Field(16, description="number of prompts of a layer and pattern; even for kind=attention", ge=1)
    layers: int = Field(6, description="number of layers of each encoder with prompts, the first ones", ge=1)


class MissingAwarePrompt(Method):
    """Prompts in the first layers of a frozen backbone, one set for each pattern of present and missing modalities.

    Lee et al.: Multimodal prompting with missing modalities for visual recognition, CVPR 2023 (MAP).

    A layer has P prompts for each pattern; a sample's pattern is known from the sample itself, also at test time.
      input       P prompts are put in front of the layer's tokens and stay there
      attention   P / 2 prompts join the projected keys of the layer's attention, P / 2 the values; the numbers of
                  queries and tokens do not change

    Differences: the paper has one ViLT over both modalities and replaces an absent one by a dummy (ones, or an empty
    text) that the model reads.  Here there are two encoders, and an absent modality is left out of the result; its
    absence still chooses the prompts of the modality that is present.
    """

    name = "map"
    source = "Lee et al., CVPR 2023"
    Config = MissingAwarePromptConfig
    default_lr = 3e-3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: MissingAwarePromptConfig) -> None:
        super().__init__(backbone)
        backbone.require_prompts_among_tokens("method map")
        self.freeze_backbone()
        if config.kind == "attention" and config.length % 2:
            raise UsageError(
                f"method.length is {config.length}, but kind=attention gives one half of the prompts to the keys and "
                "the other to the values: choose an even length"
            )
        self.classes, self.config, self.kind = classes, config, config.kind
        patterns = 2 ** len(backbone.modalities)  # the pattern without any modality never occurs
        self.prompts = nn.ParameterDict()
        for modality in backbone.modalities:
            layers = min(config.layers, len(backbone.encoder(modality).blocks()))
            # all patterns start with the same prompts, so that they differ by what they learn
            start = torch.randn(1, layers, config.length, backbone.width) * 0.02
            self.prompts[modality] = nn.Parameter(start.repeat(patterns, 1, 1, 1))
        self.head = PooledHead(backbone, classes)

    def forward(self, batch: Batch) -> Prediction:
        bits = [batch.present[m].long() << i for i, m in enumerate(self.backbone.modalities)]
        pattern = torch.stack(bits).sum(dim=0)  # [B]
        tokens = {m: self._encode(m, batch, pattern) for m in self.backbone.modalities}
        prediction: Prediction = self.head(self.backbone.pool(tokens, batch.present), batch)
        return prediction

    def _encode(self, modality: str, batch: Batch, pattern: Tensor) -> Tensor:
        """Return the tokens of a modality without prompts, [B, N, D].  pattern: int64 [B], index of the prompts."""
        encoder, prompts = self.backbone.encoder(modality), self.prompts[modality][pattern]  # [B, layers, P, D]
        with torch.no_grad():
            tokens = encoder.embed(batch.inputs[modality])
        if self.kind == "attention":
            keys, values = prompts.chunk(2, dim=2)
            return encoder.transform(tokens, list(zip(keys.unbind(dim=1), values.unbind(dim=1), strict=True)))
        for block, layer in itertools.zip_longest(encoder.blocks(), prompts.unbind(dim=1)):
            tokens = block(tokens if layer is None else torch.cat([layer, tokens], dim=1))
        return encoder.last_norm(tokens)[:, prompts.shape[1] * prompts.shape[2] :]

    def loss(self, batch: Batch) -> Tensor:
        return recipe_loss(self, batch, self.classes, self.config)
