"""The base of methods that differ only in what they train of the backbone."""

from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.shared.head import PooledHead
from avtrain.methods.shared.recipe import Recipe, recipe_loss


class PooledMethod(Method):
    """A `PooledHead` on the backbone's pooled tokens, trained by the common recipe."""

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: Recipe) -> None:
        super().__init__(backbone)
        self.classes, self.config = classes, config
        self.head = PooledHead(backbone, classes)

    def forward(self, batch: Batch) -> Prediction:
        prediction: Prediction = self.head(self.backbone.pool(self.backbone.encode(batch), batch.present), batch)
        return prediction

    def loss(self, batch: Batch) -> Tensor:
        return recipe_loss(self, batch, self.classes, self.config)
