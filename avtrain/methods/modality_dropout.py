"""Modality dropout: hide modalities at random in training, and classify what is left."""

from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.hiding import hide_modalities
from avtrain.methods.shared.residual_autoencoder import MLP, MLP_WIDTH
from avtrain.methods.shared.unimodal_features import zero_absent


class ModalityDropoutConfig(EmbeddingOptions):
    """Options of `modality-dropout`."""

    rate: float = Field(0.5, description="probability of hiding a modality in training; one is always left", ge=0, le=1)
    dropout: float = Field(0.5, description="probability of hiding a feature of a hidden layer", ge=0, lt=1)


class ModalityDropout(EmbeddingMethod):
    """One classifier on the encodings of all modalities, trained on samples that have lost some of theirs.

    Neverova et al.: ModDrop, adaptive multi-modal gesture recognition, TPAMI 2016.  The simplest method that is trained
    for missing modalities, so what another one has to beat.

    x_m is [B, D_m] and h_m = enc_m(x_m) is [B, 128], zero where the modality is missing; the logits are

        z = W relu([h_1; ...; h_M]) + b

    In each step every modality of every sample is hidden with probability `rate`, except that one is always left, and
    the loss is the cross-entropy of z.  Nothing is rescaled, since samples with all modalities occur in training too.
    The method protects up to about the rate that it is trained at.

    Released code: there is none; in the paper modalities have networks of their own, trained alone before.
    """

    name = "modality-dropout"
    source = "Neverova et al., TPAMI 2016"
    Config = ModalityDropoutConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: ModalityDropoutConfig) -> None:
        super().__init__(backbone, config.frozen)
        self.rate = config.rate
        self.encoders = nn.ModuleDict({m: MLP(width, dropout=config.dropout) for m, width in self.widths.items()})
        self.head = nn.Linear(MLP_WIDTH * len(self.widths), classes)

    def forward(self, batch: Batch) -> Prediction:
        h = {m: self.encoders[m](x).relu() for m, x in self.embeddings(batch).items()}
        return Prediction(self.head(torch.cat(list(zero_absent(h, batch.present).values()), dim=1)))

    def loss(self, batch: Batch) -> Tensor:
        left = replace(batch, present=hide_modalities(batch.present, self.rate))
        return cross_entropy(self(left).logits.float(), batch.labels)

    def encoder_modules(self, modality: str) -> list[nn.Module]:
        return [*super().encoder_modules(modality), self.encoders[modality]]
