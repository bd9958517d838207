"""Fine-tuning: every weight is trained."""

from typing import Any

from pydantic import Field
from torch import Tensor

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead, joint_and_unimodal_loss


class FinetuneConfig(Frozen):
    """Options of `finetune`."""

    head_lr: float = Field(10.0, description="learning rate of the head, times that of the backbone", gt=0)
    unimodal_loss: float = Field(0.0, description="weight of each modality's own cross-entropy, beside the joint", ge=0)


class Finetune(Method):
    """All weights trained, the new head ten times as fast as the backbone.

    Gong et al.: Contrastive Audio-Visual Masked Autoencoder, ICLR 2023, VGGSound recipe (head x 10).  Released code:
    Adam with betas (0.95, 0.999) and weight averaging; here AdamW with a cosine schedule, as for every method.
    """

    name = "finetune"
    source = "Gong et al., ICLR 2023 (fine-tuning recipe of CAV-MAE)"
    Config = FinetuneConfig
    default_lr = 1e-4

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: FinetuneConfig) -> None:
        super().__init__(backbone)
        self.head = PooledHead(backbone, classes)
        self.head_lr, self.unimodal_loss = config.head_lr, config.unimodal_loss

    def forward(self, batch: Batch) -> Prediction:
        prediction: Prediction = self.head(self.backbone.pool(self.backbone.encode(batch)), batch)
        return prediction

    def loss(self, batch: Batch) -> Tensor:
        return joint_and_unimodal_loss(self(batch), batch, self.unimodal_loss)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [
            {"params": list(self.backbone.parameters()), "lr": lr},
            {"params": list(self.head.parameters()), "lr": lr * self.head_lr},
        ]
