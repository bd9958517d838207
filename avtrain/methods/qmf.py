"""QMF: scores weighed by how sure each modality is, and trained to be surer of what it finds easy."""

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

    rank_weight: float = Field(1.0, description="of the ranking loss; 0.1 in MLA's runs on CREMA-D", ge=0)
    fused_loss: bool = Field(True, description="a loss on the fused scores too; without: MLA's runs on transformers")
    margin: Literal["as_released", "as_described"] = Field("as_released", description="allowed, or asked for")
    history: Literal["sum", "mean"] = Field("sum", description="of a sample's losses so far; sum: as released")


class QMF(UnimodalFeatures):
    """z = sum_m c_m z_m with c_m = logsumexp(z_m) / 10, over the modalities present; no gradient flows by way of c_m.

    Zhang et al.: Provable dynamic fusion for low-quality multimodal data, ICML 2023.  z_m = W_m h_m + b_m, [B, C].
    loss = sum_m CE(z_m) + CE(z) + sum_m Rank_m, each a mean over the samples that have the modality.

    Rank_m compares each sample's c with that of the next in the batch.  h, 0 to 1, says how much a sample has cost this
    modality so far, this batch included; with t = sign(h_1 - h_2), a pair loses max(0, t (c_1 - c_2) - |h_1 - h_2|): a
    harder sample may be the surer by no more than the difference.  So the released code, whose target has its sign
    changed and whose margin has not.  `margin: as_described` is max(0, t (c_1 - c_2) + |h_1 - h_2|), which asks the
    easier sample to be surer by the difference (Moon et al.: Confidence-aware learning, ICML 2020).

    A sample that lacked the modality in some epochs has a smaller sum of losses; `history: mean` is fair to it.
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
        weighed = {m: confidence(scores).detach()[:, None] * scores for m, scores in z.items()}
        return Prediction(torch.stack([*zero_absent(weighed, batch.present).values()]).sum(dim=0), z)

    def loss(self, batch: Batch) -> Tensor:
        """What training minimises, a scalar; the batch enters the history."""
        prediction = self(batch)
        z, present = prediction.per_modality, batch.present
        alone = {m: cross_entropy(scores.float(), batch.labels, reduction="none") for m, scores in z.items()}
        self.history.add(batch.ids, alone, present)
        hard = self.history.hardness(batch.ids, mean=self.config.history == "mean")
        losses = [mean_where(alone[m], present[m]) for m in z]
        losses += [self.config.rank_weight * self._rank(confidence(z[m]), hard[m], present[m]) for m in z]
        if self.config.fused_loss:
            losses.append(cross_entropy(prediction.logits.float(), batch.labels))
        return torch.stack(losses).sum()

    def _rank(self, confidences: Tensor, hardness: Tensor, there: Tensor) -> Tensor:
        """The mean loss of pairs of neighbours among the samples that are there.  All [B]."""
        c, h = confidences[there], hardness[there].float()
        c_gap, h_gap = c - c.roll(-1), h - h.roll(-1)
        slack = h_gap.abs() if self.config.margin == "as_released" else -h_gap.abs()
        return (h_gap.sign() * c_gap - slack).relu().sum() / max(1, len(c))

    def training_state(self) -> dict[str, Any]:
        return self.history.state()

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self.history.restore(state)


def confidence(scores: Tensor) -> Tensor:
    """logsumexp(z) / 10, a negative free energy, [B]; high for a sample that fits what was learned.  scores: [B, C]."""
    return scores.float().logsumexp(dim=1) / 10
