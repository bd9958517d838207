"""MLA: encoders trained in turn on one head that they share."""

from functools import cached_property
from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.mla.fusion import Fusion, fuse, fusion_weights
from avtrain.methods.mla.head_gradient import Direction, HeadGradient, Reset, Scaling
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, unimodal_losses

Weight = Annotated[float, Field(gt=0)]


class MLAConfig(FeatureOptions):
    """Options of `mla`."""

    hgm: Literal["off", "rls", "as_released", "as_released_unrepaired"] = Field(
        "rls", description="what is done to the head's gradient before each step"
    )
    direction: Direction = Field("others", description="rls: of whose inputs the head's gradient is cleared")
    reset: Reset = Field("epoch", description="rls: as each of these begins, those inputs are forgotten")
    scaling: Scaling = Field("none", description="rls: of P behind each update")
    fusion: Fusion = Field("entropy", description="how the modalities' scores are weighed")
    weights: dict[str, Weight] = Field({}, description="fusion fixed: modality: weight; none: as published")

    @field_validator("hgm", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare off so


class MLA(UnimodalFeatures):
    """Batch by batch, each modality in turn trains its encoder and the head W that all share, and it alone.

    Zhang et al.: Multimodal representation learning by alternating unimodal adaptation, CVPR 2024 (MLA).

        z_m = W h_m + b;   backward(CE(z_m, y));   grad(W) <- grad(W) P^T;   step          for m in order    [B, C]
        P <- P - (P r)(P r)^T / (alpha + r^T P r)                            r: mean of h over the batch     [D, D], [D]
        z = sum_m lambda_m z_m,   lambda = softmax_m(-entropy(softmax(z_m)))                                 [B, C]

    Losses and r are means over the samples that have the modality; one that a whole batch lacks has no turn.  In the
    turns of others an encoder has no gradient, so neither momentum nor weight decay moves it.  (The released code names
    a PyTorch that keeps zeros in its place, with which both do.)  Encoders are run once a batch, as released: each is
    the same in its turn.  What they share, such as the joint block of CAV-MAE fine-tuned, moves in every turn, so then
    all is run anew.

    `hgm`, the head gradient modification.  Which inputs make P the paper, as far as we know it, leaves open, and the
    released code has another formula that never runs:
      rls                     the formula above, a P a modality, of the r of all others (`direction: others`): with two,
                              of the one before.  A turn then hardly changes what the head makes of the others' means.
                              Without `reset` P goes on shrinking, and with it the head's steps; so it begins anew each
                              epoch, as alpha does.  `scaling: frobenius`, as released, makes steps of the head much
                              smaller: it wants a learning rate of its own.
      as_released             with its name repaired: one P, of the modality in turn too, never reset, each entry of
                              (P r)(P r)^T divided by its own alpha + (P r)_i r_j, P scaled to |P|_F = 1.  P is neither
                              symmetric nor a projection; entries where the divisor is near 0 can ruin a training.
      as_released_unrepaired  as published: it looks for a weight that the head calls otherwise, and so does nothing.
      off                     alternation alone.

    P acts on the gradient of W alone: not on b, on weight decay, or on momentum from earlier turns.  Under AdamW, which
    divides each entry by its size, the step is no longer orthogonal to r: train with SGD, the default.

    `fusion`: `entropy`, a sample at a time, as described; `fixed`, as released (0.55 sound, 0.45 picture; with text
    0.35, 0.25, 0.40) or by `weights`; `mean`; `entropy_as_released`, whose softmax runs over the batch, so that each
    modality has one weight a batch, and results depend on batch size and order.  All are over those present.
    """

    name = "mla"
    source = "Zhang et al., CVPR 2024"
    Config = MLAConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: MLAConfig) -> None:
        super().__init__(backbone, config)
        self.config = config
        self.head = nn.Linear(self.width, classes)
        self.head_gradient = self._head_gradient()
        fixed = config.fusion == "fixed"
        if config.weights and not fixed:
            raise UsageError(f"method.weights is for fusion: fixed, not {config.fusion}")
        self.weights = fusion_weights(config.weights, backbone.modalities) if fixed else {}

    def forward(self, batch: Batch) -> Prediction:
        logits = {m: self.head(h) for m, h in self.features(batch).items()}
        return Prediction(fuse(logits, batch.present, self.config.fusion, self.weights), logits)

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """One update a modality that the batch has, in order; returns the sum of their losses, detached."""
        features = self.features(batch)
        turns = [m for m in self.backbone.modalities if batch.present[m].any()]
        means = {m: features[m].detach().double()[batch.present[m]].mean(dim=0) for m in turns}  # r_m, [D]
        if self.head_gradient is not None:
            self.head_gradient.start_batch(means, self.progress)
        losses = []
        for turn, modality in enumerate(turns):
            if turn > 0 and self.shares_parameters:
                features = self.features(batch)
            logits = {modality: self.head(features[modality])}
            loss = unimodal_losses(logits, batch)[modality]
            self.backward(loss, optimizer)
            self._modify(modality, means[modality])
            self.update(optimizer)
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    @cached_property
    def shares_parameters(self) -> bool:
        """Whether a part of the backbone that is trained serves several modalities."""
        own = {id(p) for m in self.backbone.modalities for p in self.encoder_parameters(m)}
        return any(p.requires_grad and id(p) not in own for p in self.backbone.parameters())

    def _head_gradient(self) -> HeadGradient | None:
        config, modalities = self.config, self.backbone.modalities
        if config.hgm == "rls":
            return HeadGradient(modalities, self.width, "rls", config.direction, config.reset, config.scaling)
        if chosen := config.model_fields_set & {"direction", "reset", "scaling"}:
            names = ", ".join(f"method.{name}" for name in sorted(chosen))
            raise UsageError(f"{names}: for hgm: rls, not {config.hgm}; leave it out, or set method.hgm=rls")
        if config.hgm == "off":
            return None
        return HeadGradient(modalities, self.width, "as_released", "current", "never", "frobenius")

    def _modify(self, modality: str, mean: Tensor) -> None:
        """Give the head's weight, by its name, the gradient to be used; the bias keeps its own."""
        name = "module.weight" if self.config.hgm == "as_released_unrepaired" else "weight"
        for key, weight in self.head.named_parameters():
            if key == name and self.head_gradient is not None and weight.grad is not None:
                weight.grad = self.head_gradient.project(weight.grad, modality, mean, self.progress)
