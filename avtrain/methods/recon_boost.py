"""ReconBoost: modalities are trained in turns, each on what the others still get wrong."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.unimodal_features import (
    FeatureOptions,
    UnimodalFeatures,
    linear_heads,
    mean_where,
    zero_absent,
)


class ReconBoostConfig(FeatureOptions):
    """Options of `recon-boost`."""

    stage_epochs: int = Field(1, description="number of epochs of a stage; as released: 8", ge=1)
    rectification: float = Field(
        0.5,
        description="last fraction of each stage, in which all modalities train; as released: 0.5",
        ge=0,
        lt=1,
    )
    reconcilement: float = Field(
        0.2, description="weight of the divergence from the others; as released: 0.2 to 0.25", ge=0, le=1
    )
    consolidation: float = Field(
        0.5, description="weight of agreement with the modality before; as released: 0.5, without effect", ge=0
    )
    residual: Literal["as_described", "as_released"] = Field(
        "as_described", description="over all classes; or of the label's class alone and scaled, as in the code"
    )


class ReconBoost(UnimodalFeatures):
    """The sum of one learner for each modality; in its stage, each is boosted against the sum of the others.

    Hua et al.: ReconBoost, boosting can achieve modality reconcilement, ICML 2024.

    A learner phi_m, [B, C], is an encoder and a linear classifier.  In the stage of modality m, with q = softmax(phi_m)
    and p the softmax of the sum of the other learners, which are not trained, m minimises over the samples that have it

        CE(y, q) - lambda KL(p || q)  =  - sum_c (y_c - lambda p_c) log q_c  +  terms that do not depend on m

    The less probability the others give to the label, the more is left to learn: the residual of gradient boosting.
    Memory consolidation adds mu |q - q'|^2 / C, with q' of the modality whose stage came before.  At the end of a stage
    comes global rectification, in which all learners minimise the cross-entropy of their sum.

    Stages go through the modalities in turn, again and again.  A modality without a stage so far is not among the
    others, so the first stage is plain cross-entropy.  Sums are over the modalities present; for a sample with none of
    the others the loss has no p.  A learner that is not trained has no gradient, so neither momentum nor weight decay
    moves it, and it keeps the statistics of its batch norms.

    The residual is what the paper's KL-based reconcilement amounts to, as we understand it; with lambda > 0 this loss
    has no lower bound.  Consolidation is known to us from the released code only.

    Released code: consolidation detaches both sides and so has no effect, as with `consolidation: 0`.  The residual is
    - y_c (1 - lambda p_c) log q_c, times 5 (CREMA-D) or 4, with lambda the inverse of that factor, and averaged over
    the classes: with 6 classes 5 / 6 of the sum (`residual: as_released`, in every stage).  A stage has 4 epochs and 4
    more of rectification; learners start from encoders trained alone and share a classifier of two layers; their sum
    has a learned scale.
    """

    name = "recon-boost"
    source = "Hua et al., ICML 2024"
    Config = ReconBoostConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: ReconBoostConfig) -> None:
        super().__init__(backbone, config)
        if config.residual == "as_released" and config.reconcilement == 0:
            raise UsageError(
                "method.reconcilement is 0, but residual=as_released multiplies the loss by its inverse: choose a "
                "value above 0, as released 0.2 or 0.25"
            )
        self.classes, self.config = classes, config
        self.heads = linear_heads(backbone.modalities, self.width, classes)

    def forward(self, batch: Batch) -> Prediction:
        phi = {m: self.heads[m](h) for m, h in self.features(batch).items()}
        return Prediction(_sum_of_present(phi, batch.present), phi)

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        self._check_schedule()
        for modality in self.backbone.modalities:
            self.backbone.encoder(modality).train(self.rectifying or modality == self.boosted)
        return super().training_step(batch, optimizer)

    def loss(self, batch: Batch) -> Tensor:
        prediction = self(batch)
        if self.rectifying:
            return cross_entropy(prediction.logits.float(), batch.labels)
        phi = {m: z.float() if m == self.boosted else z.detach().float() for m, z in prediction.per_modality.items()}
        return self._boosting(phi, batch) + self._consolidation(phi, batch)

    @property
    def stage(self) -> int:
        """Number of the stage, from 0."""
        return (self.progress.epoch - 1) // self.config.stage_epochs

    @property
    def boosted(self) -> str:
        """The modality that is boosted in this stage."""
        return self.backbone.modalities[self.stage % len(self.backbone.modalities)]

    @property
    def others(self) -> list[str]:
        """The other modalities that have had a stage, that of the last stage at the end."""
        modalities = self.backbone.modalities
        return [modalities[i % len(modalities)] for i in range(max(0, self.stage + 1 - len(modalities)), self.stage)]

    @property
    def rectifying(self) -> bool:
        """True once the stage has reached its rectification, in which all learners are trained."""
        progress, epochs = self.progress, self.config.stage_epochs
        steps_done = (progress.epoch - 1) % epochs * progress.steps + progress.step
        return steps_done >= (1 - self.config.rectification) * epochs * progress.steps

    def _boosting(self, phi: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the loss of the boosted modality against the others.  phi: modality -> [B, C]."""
        log_q = phi[self.boosted].log_softmax(dim=1)
        residual = one_hot(batch.labels, self.classes).to(log_q.dtype)
        if self.others:
            any_other = torch.stack([batch.present[m] for m in self.others]).any(dim=0)
            p = _sum_of_present({m: phi[m] for m in self.others}, batch.present).softmax(dim=1)
            found = p if self.config.residual == "as_described" else p * residual
            residual = residual - self.config.reconcilement * found.where(any_other[:, None], 0.0)
        loss = mean_where(-(residual * log_q).sum(dim=1), batch.present[self.boosted])
        if self.config.residual == "as_released":
            loss = loss / (self.config.reconcilement * self.classes)
        return loss

    def _consolidation(self, phi: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return mu |q - q'|^2 / C, over the samples that have both modalities.  phi: modality -> [B, C]."""
        if not self.others:
            return phi[self.boosted].new_zeros(())
        previous = self.others[-1]
        distance = (phi[self.boosted].softmax(dim=1) - phi[previous].softmax(dim=1)).square().mean(dim=1)
        both = batch.present[self.boosted] & batch.present[previous]
        return self.config.consolidation * mean_where(distance, both)

    def _check_schedule(self) -> None:
        needed = self.config.stage_epochs * len(self.backbone.modalities)
        if self.config.rectification == 0 and self.progress.epochs < needed:
            raise UsageError(
                f"method recon-boost: {self.progress.epochs} epochs end before every modality has had its stage; "
                f"train for at least {needed}, or lower method.stage_epochs ({self.config.stage_epochs})"
            )


def _sum_of_present(phi: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(zero_absent(phi, present).values())).sum(dim=0)
