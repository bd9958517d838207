"""Missing-aware prompts: a frozen backbone, and prompts chosen by which modalities a sample has."""

import itertools

import torch
from pydantic import Field
from torch import Tensor, nn

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead, joint_and_unimodal_loss


class MissingAwarePromptConfig(Frozen):
    """Options of `map`."""

    length: int = Field(16, description="prompts a layer and pattern", ge=1)
    layers: int = Field(6, description="the first so many layers of each encoder get prompts", ge=1)
    unimodal_loss: float = Field(0.0, description="weight of each modality's own cross-entropy, beside the joint", ge=0)


class MissingAwarePrompt(Method):
    """Input-level prompts in the first layers, one set for every pattern of modalities that may be there.

    Lee et al.: Multimodal prompting with missing modalities for visual recognition, CVPR 2023 (MAP).  Before each of
    the first layers P tokens of the sample's own pattern are put in front, and stay.  The pattern is seen from the
    sample itself, so nothing need be told at test time.

    There: one ViLT over both modalities, an absent one replaced by a dummy (ones, or an empty text) that the model
    reads.  Here: two encoders, and an absent modality is left out of the result; its absence still chooses the prompts
    of the one that is there.  Their attention-level kind (prompts in keys and values) is not offered yet.
    """

    name = "map"
    source = "Lee et al., CVPR 2023"
    Config = MissingAwarePromptConfig
    default_lr = 1e-3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: MissingAwarePromptConfig) -> None:
        super().__init__(backbone)
        self.freeze_backbone()
        self.unimodal_loss = config.unimodal_loss
        patterns = 2 ** len(backbone.modalities)  # the empty one is never used
        self.prompts = nn.ParameterDict()
        for modality in backbone.modalities:
            layers = min(config.layers, len(backbone.encoder(modality).blocks()))
            # all patterns start as one, so that they differ by what they learned
            start = torch.randn(1, layers, config.length, backbone.width) * 0.02
            self.prompts[modality] = nn.Parameter(start.repeat(patterns, 1, 1, 1))
        self.head = PooledHead(backbone, classes)

    def forward(self, batch: Batch) -> Prediction:
        pattern = torch.stack([batch.present[m].long() << i for i, m in enumerate(self.backbone.modalities)]).sum(dim=0)
        tokens = {m: self._encode(m, batch, pattern) for m in self.backbone.modalities}
        prediction: Prediction = self.head(self.backbone.pool(tokens, batch.present), batch)
        return prediction

    def _encode(self, modality: str, batch: Batch, pattern: Tensor) -> Tensor:
        encoder, prompts = self.backbone.encoder(modality), self.prompts[modality][pattern]  # [B, layers, P, D]
        with torch.no_grad():
            tokens = encoder.embed(batch.inputs[modality])
        for block, layer in itertools.zip_longest(encoder.blocks(), prompts.unbind(dim=1)):
            tokens = block(tokens if layer is None else torch.cat([layer, tokens], dim=1))
        return encoder.last_norm(tokens)[:, prompts.shape[1] * prompts.shape[2] :]

    def loss(self, batch: Batch) -> Tensor:
        return joint_and_unimodal_loss(self(batch), batch, self.unimodal_loss)
