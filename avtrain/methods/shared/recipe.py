"""How methods with a pooled head are trained: the same recipe for all, so that they differ by what they are."""

from collections.abc import Callable

from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot

from avbuild.frozen import Frozen
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.head import joint_and_unimodal_loss
from avtrain.methods.shared.mixup import Blend, mix

NEAR_HALF, ANY = 10.0, 1.0  # concentrations of mixup's weights: for inputs as CAV-MAE draws them, and for tokens


class Recipe(Frozen):
    """Options that every such method has.  Mixup and label smoothing are CAV-MAE's (Gong et al., ICLR 2023)."""

    mixup: float = Field(0.5, description="part of the samples that is blended with another", ge=0, le=1)
    label_smoothing: float = Field(0.1, description="of the labels", ge=0, lt=1)
    unimodal_loss: float = Field(1.0, description="weight of each modality's own cross-entropy, beside the joint", ge=0)


def recipe_loss(
    predict: Callable[[Batch], Prediction],
    batch: Batch,
    classes: int,
    recipe: Recipe,
    concentration: float = NEAR_HALF,
) -> Tensor:
    """The loss of what a method predicts for blended samples."""
    mixed, blend = mix(batch, recipe.mixup, concentration)
    return blended_loss(predict(mixed), mixed, blend, classes, recipe)


def blended_loss(prediction: Prediction, mixed: Batch, blend: Blend, classes: int, recipe: Recipe) -> Tensor:
    """The loss of a prediction for samples that are blended already.  mixed, blend: as by `mix`."""
    targets = blend(one_hot(mixed.labels, classes).float())  # its labels are still those of before
    return joint_and_unimodal_loss(prediction, mixed, recipe.unimodal_loss, targets, recipe.label_smoothing)
