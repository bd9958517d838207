"""Linear probe: a frozen backbone and a trained head."""

from dataclasses import replace

import torch
from torch import Tensor

from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import UNIFORM, Recipe, recipe_loss


class LinearProbeConfig(Recipe):
    """Options of `linear-probe`; mixup blends tokens."""


class LinearProbe(PooledMethod):
    """A frozen backbone with a trained linear head, which shows what its features hold already.

    Alain and Bengio: Understanding intermediate layers using linear classifier probes, ICLR 2017 workshop.
    """

    name = "linear-probe"
    source = "Alain and Bengio, ICLR 2017 workshop"
    Config = LinearProbeConfig
    default_lr = 3e-3
    default_epochs = 20
    default_draws = 3
    reading = Reading(most=20)

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LinearProbeConfig) -> None:
        super().__init__(backbone, classes, scenarios, config)
        self.freeze_backbone()

    def forward(self, batch: Batch) -> Prediction:
        with torch.no_grad():
            pooled = self.backbone.pool(self.backbone.frozen_tokens(batch, self.reading), batch.present)
        prediction: Prediction = self.head(pooled, batch)
        return prediction

    def loss(self, batch: Batch) -> Tensor:
        with_tokens = replace(batch, tokens=self.backbone.frozen_tokens(batch, self.reading))
        return recipe_loss(self, with_tokens, self.classes, self.config, concentration=UNIFORM)
