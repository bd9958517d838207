"""MMPareto: a multimodal and a unimodal gradient for every encoder, joined so that neither works against the other."""

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

    gamma: float = Field(1.5, description="length of an encoder's gradient, times that of the plain sum", gt=0)
    rescaling: Literal["as_described", "as_released"] = Field(
        "as_described", description="of an encoder's whole gradient; or of each weight's, never down, as in the code"
    )


class MMPareto(UnimodalFeatures):
    """Concatenation with a loss a modality beside the joint one, whose gradients meet in the encoders.

    Wei and Hu: MMPareto, boosting multimodal learning with innocent unimodal assistance, ICML 2024.  For the weights of
    one encoder, g is the gradient of the joint cross-entropy and u that of the modality's own:

        a = 1/2                               where <g, u> >= 0
        a = <u - g, u> / |g - u|^2            else: a g + (1 - a) u is the shortest vector between the two
        h = 2 a g + 2 (1 - a) u
        step along  gamma |g + u| / |h| h     gamma = 1.5

    So a step works against neither loss, and is gamma times as long as that along the plain sum would be.  Without the
    last line it would be shorter, and lose the noise of the gradient that the paper wants for generalisation.  The
    paper enlarges h only where it is shorter than g + u; over a whole encoder it is never longer.  Opposite g and u
    have no common direction, and the encoder rests.  Classifiers follow their own losses; unimodal scores are those of
    the unimodal ones.

    That lengths are compared over an encoder as a whole is our reading.  The released code finds a for the whole too,
    but rescales every weight by itself, which turns the step away from h; `rescaling: as_released` does so.
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
        joint, own = self._losses(batch)
        self.backward(joint, optimizer, keep_graph=True)
        of_joint = {weight: weight.grad for weight in parameters_of(optimizer) if weight.grad is not None}
        self.backward(own, optimizer)
        for modality in self.backbone.modalities:
            weights = [w for w in self.encoder_parameters(modality) if w in of_joint and w.grad is not None]
            for weight, gradient in zip(weights, self._integrated(weights, of_joint), strict=True):
                weight.grad = gradient
        for weight, gradient in of_joint.items():
            if weight.grad is None:
                weight.grad = gradient  # of the joint classifier
        self.update(optimizer)
        return (joint + own).detach()

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The joint one, and the sum of the modalities' own, none of which reaches another's encoder."""
        prediction = self(batch)
        own = unimodal_losses(prediction.per_modality, batch)
        return cross_entropy(prediction.logits.float(), batch.labels), torch.stack(list(own.values())).sum()

    def _integrated(self, weights: list[nn.Parameter], of_joint: dict[nn.Parameter, Tensor]) -> list[Tensor]:
        """What an encoder's weights follow.  Each comes with the gradient of its own loss."""
        g = torch.cat([of_joint[weight].flatten() for weight in weights])
        u = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
        a, sizes = weight_of_joint(g, u), [weight.numel() for weight in weights]
        h, plain = 2 * a * g + 2 * (1 - a) * u, g + u
        if self.config.rescaling == "as_described":
            parts = torch.split(h * rescaling_factor(h, plain), sizes)
        else:
            pairs = zip(torch.split(h, sizes), torch.split(plain, sizes), strict=True)
            parts = tuple(part * rescaling_factor(part, of_sum).clamp(min=1) for part, of_sum in pairs)
        return [self.config.gamma * part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]


def weight_of_joint(g: Tensor, u: Tensor) -> Tensor:
    """a, by which a g + (1 - a) u neither works against g nor against u.  g, u: [P].  Returns a scalar, 0 to 1."""
    product = (g * u).sum()  # which autocast leaves alone, unlike g @ u
    # with a negative product this lies between 0 and 1 by itself
    shortest: Tensor = (u.square().sum() - product) / (g - u).square().sum()
    return shortest.where(product < 0, 0.5)


def rescaling_factor(h: Tensor, plain: Tensor) -> Tensor:
    """The factor that makes h as long as the plain sum; 0 where h is nothing but rounding.  [P] each."""
    length, wanted = h.norm(), plain.norm()
    rounding = 100 * torch.finfo(h.dtype).eps * wanted
    factor: Tensor = wanted / length
    return factor.where(length > rounding, 0.0)
