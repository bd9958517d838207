"""The common training recipe of methods with a pooled head, so that they are compared by what they are."""

from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot

from avbuild.frozen import Frozen
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.shared.head import joint_and_unimodal_loss
from avtrain.methods.shared.mixup import Blend, mix

# parameters of the Beta distribution of mixup's weights: for inputs as CAV-MAE draws them, and for tokens
NEAR_HALF, UNIFORM = 10.0, 1.0


class Recipe(Frozen):
    """Options of all these methods.  Mixup and label smoothing are CAV-MAE's (Gong et al., ICLR 2023)."""

    mixup: float = Field(0.5, description="share of the samples that is blended with another", ge=0, le=1)
    label_smoothing: float = Field(0.1, description="share of a label spread over all classes", ge=0, lt=1)
    unimodal_loss: float = Field(1.0, description="weight of each modality's own cross-entropy, beside the joint", ge=0)


def recipe_loss(
    method: Method,
    batch: Batch,
    classes: int,
    recipe: Recipe,
    concentration: float = NEAR_HALF,
) -> Tensor:
    """Blend a batch by mixup and compute the loss of the prediction.

    Args:
        method: predicts.
        batch: not blended.
        classes: number of classes.
        recipe: options.
        concentration: of mixup, as for `mix`.

    Returns:
        A scalar.
    """
    blendable = batch if batch.tokens else method.backbone.blendable(batch)
    mixed, blend = mix(blendable, recipe.mixup, concentration)
    return blended_loss(method(mixed), mixed, blend, classes, recipe)


def blended_loss(prediction: Prediction, mixed: Batch, blend: Blend, classes: int, recipe: Recipe) -> Tensor:
    """Compute the loss of a prediction for samples that are blended already.

    Args:
        prediction: of the blended batch.
        mixed: the blended batch, by `mix`.
        blend: by `mix`.
        classes: number of classes.
        recipe: options.

    Returns:
        A scalar.
    """
    targets = blend(one_hot(mixed.labels, classes).float())  # `mix` leaves the labels as they were
    return joint_and_unimodal_loss(prediction, mixed, recipe.unimodal_loss, targets, recipe.label_smoothing)
