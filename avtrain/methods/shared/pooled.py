"""What methods share that differ only in what of the backbone they train: a linear head, and the common recipe."""

from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.shared.head import PooledHead
from avtrain.methods.shared.recipe import Recipe, recipe_loss


class PooledMethod(Method):
    """A `PooledHead` on the backbone's pooled tokens, trained by the recipe."""

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: Recipe) -> None:
        super().__init__(backbone)
        self.classes, self.config = classes, config
        self.head = PooledHead(backbone, classes)

    def forward(self, batch: Batch) -> Prediction:
        prediction: Prediction = self.head(self.backbone.pool(self.backbone.encode(batch), batch.present), batch)
        return prediction

    def loss(self, batch: Batch) -> Tensor:
        return recipe_loss(self, batch, self.classes, self.config)
