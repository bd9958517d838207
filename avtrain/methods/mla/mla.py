"""MLA: the encoders of the modalities are trained in turn on one head that they share."""

from functools import cached_property
from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
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
        "rls", description="how the head's gradient is modified before each step"
    )
    direction: Direction = Field(
        "others", description="rls: modalities whose inputs are removed from the head's gradient"
    )
    reset: Reset = Field("epoch", description="rls: when the inputs seen so far are forgotten")
    scaling: Scaling = Field("none", description="rls: scaling of P after each update")
    fusion: Fusion = Field("entropy", description="how the modalities' logits are weighed")
    weights: dict[str, Weight] = Field({}, description="for fusion fixed, modality: weight; none: as published")

    @field_validator("hgm", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare `off` as false


class MLA(UnimodalFeatures):
    """Alternating training: in each batch every modality in turn trains its encoder and the head W that all share.

    Zhang et al.: Multimodal representation learning by alternating unimodal adaptation, CVPR 2024 (MLA).

        for each modality m in order:
            z_m = W h_m + b;   backward(CE(z_m, y));   grad(W) <- grad(W) P^T;   step           z_m: [B, C]
        P <- P - (P r)(P r)^T / (alpha + r^T P r)        r: mean of h over the batch            P: [D, D], r: [D]
        z = sum_m lambda_m z_m,   lambda = softmax_m(-entropy(softmax(z_m)))                    prediction, [B, C]

    Losses and r are means over the samples that have the modality; a modality that the whole batch lacks has no turn.
    In the turns of others an encoder has no gradient, so neither momentum nor weight decay moves it.  (The PyTorch that
    the released code names keeps zeros as gradients, with which both move it.)  As released, encoders are run once for
    each batch.  Where they share trained weights, such as the joint block of CAV-MAE, these move in every turn, and the
    encoders are run again for each.

    `hgm`, the head gradient modification.  Which inputs make up P, the paper leaves open as far as we know it, and the
    released code has another formula, which never runs:
      rls                     The formula above, with one P for each modality made of the r of all others (`direction:
                              others`).  A turn then hardly changes the head's outputs for the others' mean inputs.
                              Without `reset` P keeps shrinking, and the head's steps with it, so P starts anew each
                              epoch, as alpha does.  `scaling: frobenius`, as released, makes the head's steps much
                              smaller and needs another learning rate.
      as_released             The released formula with the name of the weight corrected: one P, updated with the
                              modality in turn too, never reset, each entry of (P r)(P r)^T divided by its own
                              alpha + (P r)_i r_j, and P scaled to |P|_F = 1.  The first turn of a training is left as
                              it is and does not enter P, as in the code.  P is neither symmetric nor a projection, and
                              entries whose divisor is near 0 can ruin a training.
      as_released_unrepaired  The code as published, which looks for a weight of another name and so changes nothing.
      off                     Alternation alone.

    P changes the gradient of W only: not b, weight decay, or momentum from earlier turns.  AdamW divides each entry by
    its size, after which a step is no longer orthogonal to r: train with SGD, the default.

    `fusion`, always over the modalities present: `entropy`, for each sample, as described; `fixed`, as released (0.55
    audio, 0.45 image; with text 0.35, 0.25, 0.40) or by `weights`; `mean`; `entropy_as_released`, whose softmax runs
    over the batch, so that a modality has one weight for a whole batch and results depend on batch size and order.
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

    @classmethod
    def check_modalities(cls, modalities: tuple[str, ...], config: Frozen) -> None:
        """Refuse the fusion `fixed` for modalities that no weights are published for, unless the user gives some."""
        super().check_modalities(modalities, config)
        if isinstance(config, MLAConfig) and config.fusion == "fixed":
            fusion_weights(config.weights, modalities)

    def forward(self, batch: Batch) -> Prediction:
        logits = {m: self.head(h) for m, h in self.features(batch).items()}
        return Prediction(fuse(logits, batch.present, self.config.fusion, self.weights), logits)

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Update once for each modality that the batch has, in order; returns the sum of their losses, detached."""
        features = self.features(batch)
        turns = [m for m in self.backbone.modalities if batch.present[m].any()]
        means = {m: features[m].detach().double()[batch.present[m]].mean(dim=0) for m in turns}  # r_m, [D]
        if self.head_gradient is not None:
            self.head_gradient.start_batch(means, self.progress)
        losses = []
        for turn, modality in enumerate(turns):
            if turn > 0 and self.encoders_share_weights:
                features = self.features(batch)
            logits = {modality: self.head(features[modality])}
            loss = unimodal_losses(logits, batch)[modality]
            self.backward(loss, optimizer)
            if not (turn == 0 and self._skips_first_turn):
                self._modify_head_gradient(modality, means[modality])
            self.update(optimizer)
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    @cached_property
    def encoders_share_weights(self) -> bool:
        """True where some trained weights of the backbone serve several modalities."""
        unshared = {id(p) for m in self.backbone.modalities for p in self.encoder_parameters(m)}
        return any(p.requires_grad and id(p) not in unshared for p in self.backbone.parameters())

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

    @property
    def _skips_first_turn(self) -> bool:
        """True in the first step of a training as released: a counter of calls, 0 there, guards the modification."""
        return self.config.hgm == "as_released" and (self.progress.epoch, self.progress.step) == (1, 0)

    def _modify_head_gradient(self, modality: str, mean: Tensor) -> None:
        """Replace the gradient of the head's weight, found by its name; the bias keeps its gradient."""
        name = "module.weight" if self.config.hgm == "as_released_unrepaired" else "weight"
        for key, weight in self.head.named_parameters():
            if key == name and self.head_gradient is not None and weight.grad is not None:
                weight.grad = self.head_gradient.project(weight.grad, modality, mean, self.progress)
