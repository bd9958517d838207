"""Fine-tuning: every weight is trained."""

from typing import Any

from pydantic import Field
from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.head import PooledHead
from avtrain.methods.recipe import Recipe, recipe_loss


class FinetuneConfig(Recipe):
    """Options of `finetune`."""

    head_lr: float = Field(10.0, description="learning rate of the head, times that of the backbone", gt=0)


class Finetune(Method):
    """A LayerNorm and a linear map a modality on pooled tokens, logits averaged, all trained with the backbone.

    Gong et al.: Contrastive Audio-Visual Masked Autoencoder, ICLR 2023, VGGSound recipe: learning rate 1e-4, head x 10,
    mixup of half the samples by weights near one half, label smoothing 0.1, weights averaged over the epochs from the
    third on.  Theirs too, but not here: Adam with betas (0.95, 0.999) and a rate that halves every epoch; here AdamW
    with a cosine, as for every method.  Theirs blends waveforms, ours spectrograms.  Classes are near balanced in our
    data sets, so samples are not drawn by class.
    """

    name = "finetune"
    source = "Gong et al., ICLR 2023 (fine-tuning recipe of CAV-MAE)"
    Config = FinetuneConfig
    default_lr = 1e-4
    default_average_from = 3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: FinetuneConfig) -> None:
        super().__init__(backbone)
        self.head = PooledHead(backbone, classes)
        self.classes, self.config = classes, config

    def forward(self, batch: Batch) -> Prediction:
        prediction: Prediction = self.head(self.backbone.pool(self.backbone.encode(batch), batch.present), batch)
        return prediction

    def loss(self, batch: Batch) -> Tensor:
        return recipe_loss(self, batch, self.classes, self.config)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [
            {"params": list(self.backbone.parameters()), "lr": lr},
            {"params": list(self.head.parameters()), "lr": lr * self.config.head_lr},
        ]
