"""Linear probe: the backbone as it is, and a trained head."""

import torch

from avbuild.scenario_spec import Frozen
from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead


class LinearProbeConfig(Frozen):
    """`linear-probe` has no options."""


class LinearProbe(Method):
    """Frozen backbone, trained head: what the features hold already.

    Alain and Bengio: Understanding intermediate layers using linear classifier probes, ICLR 2017 workshop.
    """

    name = "linear-probe"
    source = "Alain and Bengio, ICLR 2017 workshop"
    Config = LinearProbeConfig
    default_lr = 3e-3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LinearProbeConfig) -> None:
        super().__init__(backbone)
        self.head = PooledHead(backbone, classes)
        self.freeze_backbone()

    def forward(self, batch: Batch) -> Prediction:
        with torch.no_grad():
            tokens = self.backbone.encode(batch)
        prediction: Prediction = self.head(tokens, batch)
        return prediction
