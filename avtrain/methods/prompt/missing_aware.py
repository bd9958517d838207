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
    start: Literal["random", "as_released"] = Field(
        "random", description="prompts at first: random and small; or zeros with a row of ones a pattern, as released"
    )


class MissingAwarePrompt(Method):
    """Prompts in the first layers of a frozen backbone, one set for each pattern of present and missing modalities.

    Lee et al.: Multimodal prompting with missing modalities for visual recognition, CVPR 2023 (MAP).

    A layer has P prompts for each pattern; a sample's pattern is known from the sample itself, also at test time.
      input       P prompts are put in front of the layer's tokens and stay there
      attention   P / 2 prompts join the projected keys of the layer's attention, P / 2 the values; the numbers of
                  queries and tokens do not change

    Prompts start at random, all patterns alike.  `start: as_released` has zeros instead, but for one row of ones: the
    first for complete samples, the second for those that lack the last modality (there: the image), the third for those
    that lack the first (there: the text); for kind=attention in keys and in values.

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
            if config.start == "as_released":
                start = released_start(len(backbone.modalities), layers, config, backbone.width)
            else:
                # all patterns start with the same prompts, so that they differ by what they learn
                start = (torch.randn(1, layers, config.length, backbone.width) * 0.02).repeat(patterns, 1, 1, 1)
            self.prompts[modality] = nn.Parameter(start)
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


def released_start(modalities: int, layers: int, config: MissingAwarePromptConfig, width: int) -> Tensor:
    """Return zeros with a row of ones for each pattern, [patterns, layers, P, width], as the released code starts.

    Args:
        modalities: number of modalities; a pattern has a bit for each that is present, that of the first lowest.
        layers: number of layers with prompts.
        config: kind and number P of the prompts.
        width: of a token.

    Raises:
        UsageError: there are more patterns than rows.
    """
    halves = 2 if config.kind == "attention" else 1
    rows, occurring = config.length // halves, 2**modalities - 1
    if rows < occurring:
        raise UsageError(
            f"method.length is {config.length}, but start=as_released needs a row for each of {occurring} patterns"
            f"{' in keys and in values' if halves == 2 else ''}: choose at least {halves * occurring}"
        )
    start = torch.zeros(2**modalities, layers, config.length, width)
    for pattern in range(1, 2**modalities):  # without any modality there is no sample
        # the last modality's absence is bit 0 of the row, so a missing image is row 1 and a missing text row 2
        row = sum(1 << modalities - 1 - bit for bit in range(modalities) if not pattern >> bit & 1)
        for half in range(halves):
            start[pattern, :, row + half * rows] = 1.0
    return start
