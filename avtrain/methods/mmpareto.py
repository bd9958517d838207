"""MMPareto: the multimodal and the unimodal gradient of every encoder are combined so that neither loss is harmed."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, parameters_of
from avtrain.methods.shared.unimodal_features import (
    FeatureOptions,
    UnimodalFeatures,
    linear_heads,
    unimodal_losses,
    zero_absent,
)


class MMParetoConfig(FeatureOptions):
    """Options of `mmpareto`."""

    gamma: float = Field(1.5, description="length of an encoder's gradient, in lengths of the plain sum", gt=0)
    rescaling: Literal["as_described", "as_released"] = Field(
        "as_described",
        description="of an encoder's whole gradient; or of each weight's, never down, as released",
    )


class MMPareto(UnimodalFeatures):
    """Concatenation with a loss for each modality beside the joint one; each encoder combines the two gradients.

    Wei and Hu: MMPareto, boosting multimodal learning with innocent unimodal assistance, ICML 2024.

    For the weights of one encoder, g is the gradient of the joint cross-entropy and u that of the modality's own:

        a = 1/2                               where <g, u> >= 0
        a = <u - g, u> / |g - u|^2            else; a g + (1 - a) u is then the shortest vector between the two
        h = 2 a g + 2 (1 - a) u
        step along  gamma |g + u| / |h| h     gamma = 1.5

    So a step increases neither loss, and is gamma times as long as one along the plain sum.  Without the last line it
    would be shorter, and lose the gradient noise that the paper wants for generalisation.  The paper enlarges h only
    where it is shorter than g + u; over a whole encoder it is never longer.  Where g and u are opposite there is no
    common direction, and the encoder gets a zero gradient.  Classifiers follow their own losses, and the scores of one
    modality are those of its own classifier.

    That lengths are compared over an encoder as one vector is our reading.  Released code: it computes a for the whole
    encoder too, but rescales every weight by itself, which turns the step away from h; `rescaling: as_released`.
    """

    name = "mmpareto"
    source = "Wei and Hu, ICML 2024"
    Config = MMParetoConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: MMParetoConfig) -> None:
        super().__init__(backbone, config)
        self.config = config
        self.head = nn.Linear(len(backbone.modalities) * self.width, classes)
        self.heads = linear_heads(backbone.modalities, self.width, classes)

    def forward(self, batch: Batch) -> Prediction:
        h = self.features(batch)
        joint = self.head(torch.cat(list(zero_absent(h, batch.present).values()), dim=1))
        return Prediction(joint, {m: self.heads[m](x) for m, x in h.items()})

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        joint, unimodal = self._losses(batch)
        self.backward(joint, optimizer, keep_graph=True)
        joint_gradients = {weight: weight.grad for weight in parameters_of(optimizer) if weight.grad is not None}
        self.backward(unimodal, optimizer)
        for modality in self.backbone.modalities:
            weights = [w for w in self.encoder_parameters(modality) if w in joint_gradients and w.grad is not None]
            for weight, gradient in zip(weights, self._combined(weights, joint_gradients), strict=True):
                weight.grad = gradient
        for weight, gradient in joint_gradients.items():
            if weight.grad is None:  # of the joint classifier, on which no unimodal loss depends
                weight.grad = gradient
        self.update(optimizer)
        return (joint + unimodal).detach()

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the joint loss, and the sum of the unimodal ones, each of which depends on one encoder only."""
        prediction = self(batch)
        unimodal = unimodal_losses(prediction.per_modality, batch)
        return cross_entropy(prediction.logits.float(), batch.labels), torch.stack(list(unimodal.values())).sum()

    def _combined(self, weights: list[nn.Parameter], joint_gradients: dict[nn.Parameter, Tensor]) -> list[Tensor]:
        """Return the combined gradient of each of an encoder's weights, which hold that of the unimodal loss."""
        g = torch.cat([joint_gradients[weight].flatten() for weight in weights])
        u = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
        a, sizes = weight_of_joint(g, u), [weight.numel() for weight in weights]
        h, plain = 2 * a * g + 2 * (1 - a) * u, g + u
        if self.config.rescaling == "as_described":
            rescaled = torch.split(h * rescaling_factor(h, plain), sizes)
        else:
            pairs = zip(torch.split(h, sizes), torch.split(plain, sizes), strict=True)
            rescaled = tuple(h_w * rescaling_factor(h_w, plain_w).clamp(min=1) for h_w, plain_w in pairs)
        return [self.config.gamma * x.view_as(weight) for x, weight in zip(rescaled, weights, strict=True)]


def weight_of_joint(g: Tensor, u: Tensor) -> Tensor:
    """Compute a, for which a step along a g + (1 - a) u increases neither loss.

    Args:
        g: [P], gradient of the joint loss.
        u: [P], gradient of the unimodal loss.

    Returns:
        A scalar, 0 to 1.
    """
    product = (g * u).sum()  # unlike g @ u not computed in half precision under autocast
    # for a negative product this is between 0 and 1
    shortest: Tensor = (u.square().sum() - product) / (g - u).square().sum()
    return shortest.where(product < 0, 0.5)


def rescaling_factor(h: Tensor, plain: Tensor) -> Tensor:
    """Compute the factor that makes h as long as the plain sum; 0 where h is only rounding error.

    Args:
        h: [P].
        plain: [P], g + u.

    Returns:
        A scalar.
    """
    length, wanted = h.norm(), plain.norm()
    rounding = 100 * torch.finfo(h.dtype).eps * wanted
    factor: Tensor = wanted / length
    return factor.where(length > rounding, 0.0)
