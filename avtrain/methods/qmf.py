"""QMF: modalities are weighed by their confidence, which is trained to be higher on samples they find easy."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.loss_history import LossHistory
from avtrain.methods.shared.unimodal_features import (
    FeatureOptions,
    UnimodalFeatures,
    linear_heads,
    mean_where,
    zero_absent,
)


class QMFConfig(FeatureOptions):
    """Options of `qmf`."""

    rank_weight: float = Field(1.0, description="weight of the ranking loss; 0.1 in MLA's runs on CREMA-D", ge=0)
    fused_loss: bool = Field(True, description="a loss on the fused logits; false: MLA's runs on transformers")
    margin: Literal["as_released", "as_described"] = Field(
        "as_released", description="sign of the margin in the ranking loss: tolerance, or requirement"
    )
    history: Literal["sum", "mean"] = Field(
        "sum", description="how a sample's losses so far are combined; sum: as released"
    )
    hardness: Literal["seen", "as_released"] = Field(
        "seen", description="its 0 is the least cost of the samples seen so far; or of all, 0 for those not seen yet"
    )


class QMF(UnimodalFeatures):
    """Classifiers of the modalities weighed by confidence, z = sum_m c_m z_m with c_m = logsumexp(z_m) / 10.

    Zhang et al.: Provable dynamic fusion for low-quality multimodal data, ICML 2023.

    z_m = W_m h_m + b_m is [B, C]; the sum is over the modalities present, and no gradient passes through c_m.

        loss = sum_m CE(z_m) + CE(z) + sum_m Rank_m          each a mean over the samples that have the modality

    Rank_m compares the confidence c of each sample with that of the next in the batch.  h, 0 to 1, is what a sample has
    cost this modality so far, this batch included.  With t = sign(h_1 - h_2) the loss of a pair is

        max(0, t (c_1 - c_2) - |h_1 - h_2|)        as_released: the harder sample may be surer by up to the difference
        max(0, t (c_1 - c_2) + |h_1 - h_2|)        as_described: the easier sample must be surer by the difference

    The second is that of Moon et al.: Confidence-aware learning, ICML 2020; the released code changes the sign of the
    target but not that of the margin.

    h is scaled so that 0 is the least and 1 the highest cost of all samples so far.  The released code does so over all
    training samples, those not seen yet at a cost of 0: through the first epoch its h is cost / highest cost
    (`hardness: as_released`; a sample that lacks the modality then counts as not seen).

    A sample that lacked the modality in some epochs has a smaller sum of losses; `history: mean` corrects for it.
    """

    name = "qmf"
    source = "Zhang et al., ICML 2023"
    Config = QMFConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: QMFConfig) -> None:
        super().__init__(backbone, config)
        self.config = config
        self.heads = linear_heads(backbone.modalities, self.width, classes)
        self.history = LossHistory(backbone.modalities)

    def forward(self, batch: Batch) -> Prediction:
        z = {m: self.heads[m](h) for m, h in self.features(batch).items()}
        weighed = {m: confidence(logits).detach()[:, None] * logits for m, logits in z.items()}
        return Prediction(torch.stack([*zero_absent(weighed, batch.present).values()]).sum(dim=0), z)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss, and add the batch to the history."""
        prediction = self(batch)
        z, present = prediction.per_modality, batch.present
        unimodal = {m: cross_entropy(logits.float(), batch.labels, reduction="none") for m, logits in z.items()}
        self.history.add(batch.ids, unimodal, present)
        first_epoch = self.progress.epoch == 1 and self.progress.step + 1 < self.progress.steps
        more_to_come = first_epoch if self.config.hardness == "as_released" else None
        hardness = self.history.hardness(batch.ids, self.config.history == "mean", more_to_come)
        losses = [mean_where(unimodal[m], present[m]) for m in z]
        losses += [self.config.rank_weight * self._rank(confidence(z[m]), hardness[m], present[m]) for m in z]
        if self.config.fused_loss:
            losses.append(cross_entropy(prediction.logits.float(), batch.labels))
        return torch.stack(losses).sum()

    def _rank(self, confidences: Tensor, hardness: Tensor, present: Tensor) -> Tensor:
        """Return the mean ranking loss over pairs of neighbours among the samples that are present.  All are [B]."""
        c, h = confidences[present], hardness[present].float()
        c_gap, h_gap = c - c.roll(-1), h - h.roll(-1)
        slack = h_gap.abs() if self.config.margin == "as_released" else -h_gap.abs()
        return (h_gap.sign() * c_gap - slack).relu().sum() / max(1, len(c))

    def training_state(self) -> dict[str, Any]:
        return self.history.state()

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self.history.restore(state)


def confidence(logits: Tensor) -> Tensor:
    """Compute logsumexp(z) / 10, a negative free energy, which is high for samples like those learned.

    Args:
        logits: z, [B, C].

    Returns:
        [B].
    """
    return logits.float().logsumexp(dim=1) / 10
