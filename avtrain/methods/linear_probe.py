"""Linear probe: the backbone as it is, and a trained head."""

import torch
from pydantic import Field
from torch import Tensor

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead, joint_and_unimodal_loss


class LinearProbeConfig(Frozen):
    """Options of `linear-probe`."""

    unimodal_loss: float = Field(1.0, description="weight of each modality's own cross-entropy; 0: joint alone", ge=0)


class LinearProbe(Method):
    """Frozen backbone, trained head: what the features hold already.

    Alain and Bengio: Understanding intermediate layers using linear classifier probes, ICLR 2017 workshop.
    """

    name = "linear-probe"
    source = "Alain and Bengio, ICLR 2017 workshop"
    Config = LinearProbeConfig
    default_lr = 3e-3
    default_epochs = 40
    default_draws = 3
    cached_tokens = 20

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LinearProbeConfig) -> None:
        super().__init__(backbone)
        self.head = PooledHead(backbone, classes)
        self.unimodal_loss = config.unimodal_loss
        self.freeze_backbone()

    def forward(self, batch: Batch) -> Prediction:
        with torch.no_grad():
            pooled = self.backbone.pool(self.backbone.frozen_tokens(batch, self.cached_tokens), batch.present)
        prediction: Prediction = self.head(pooled, batch)
        return prediction

    def loss(self, batch: Batch) -> Tensor:
        return joint_and_unimodal_loss(self(batch), batch, self.unimodal_loss)
