"""LFM: modalities are aligned first, and fit the labels more and more."""

import math
from itertools import combinations
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, linear_heads, unimodal_losses


class LFMConfig(FeatureOptions):
    """Options of `lfm`."""

    schedule: Literal["as_described", "as_released"] = Field(
        "as_described",
        description="weight of the matching in epoch t: 1 - exp(-1/t); or exp(0.3 - 0.3 t), as in the code",
    )
    matching: Literal["as_described", "as_released"] = Field(
        "as_described", description="contrastive, on projections; or the divergence of features that the code has"
    )
    fitting: Literal["each", "mean"] = Field(
        "each", description="of the labels, by each modality's scores; or by their mean, as released"
    )
    temperature: float = Field(0.07, description="of the contrastive loss", gt=0)
    embedding: int = Field(128, description="width of the projections that the contrastive loss compares", ge=1)


class LFM(UnimodalFeatures):
    """Cross-entropy and a matching of the modalities, whose weight falls from epoch to epoch; late fusion.

    Yang et al.: Facilitating multimodal classification via dynamically learning modality gap, NeurIPS 2024.

        L = a_t L_match + (1 - a_t) L_label        a_t = 1 - exp(-1 / t), epoch t = 1, 2, ...

    L_match is CLIP's symmetric contrastive loss, the mean over all pairs m, n of modalities.  With e = P h / |P h| and
    s_ij = <e_mi, e_nj> / tau it is the mean over i of (-log softmax_j(s_ij) - log softmax_j(s_ji)) / 2 at j = i, where
    i and j are samples that have both.  L_label is the mean of the modalities' cross-entropies, each over the samples
    that have it; the prediction is the mean of the scores present.

    This is the paper's heuristic strategy.  Its second one, which learns a by bi-level optimisation, is not here.  We
    have not seen the paper's equations themselves: a_t is known at second hand, that it weighs the matching follows
    from the code, and whether the paper fits each modality or their mean, and projects, is not known to us.

    The code that we know (a copy of what looks like the authors' script for CREMA-D) starts from pretrained weights,
    fits the mean of the scores, and lets a_t = exp(-0.3 (t - 1)), not above 0.95 or below 0.05.  Of three matchings
    that follow each other there under one name, the last counts and contrasts nothing: for the softmax p and q of two
    features and their mean r, (KL(r || p) + KL(r || q)) / 2, where Jensen and Shannon have p and q first.
    BalanceBenchmark has this divergence too, of scores.
    """

    name = "lfm"
    source = "Yang et al., NeurIPS 2024"
    Config = LFMConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LFMConfig) -> None:
        super().__init__(backbone, config)
        if len(backbone.modalities) < 2:
            raise UsageError(f"method lfm matches modalities with each other; here is only {backbone.modalities[0]}")
        self.config = config
        self.heads = linear_heads(backbone.modalities, self.width, classes)
        compared = backbone.modalities if config.matching == "as_described" else ()
        self.projections = linear_heads(compared, self.width, config.embedding)

    def forward(self, batch: Batch) -> Prediction:
        return self._predict(self.features(batch), batch)

    def loss(self, batch: Batch) -> Tensor:
        h = self.features(batch)
        weight = self.matching_weight(self.progress.epoch)
        return weight * self._matching(h, batch) + (1 - weight) * self._fitting(self._predict(h, batch), batch)

    def matching_weight(self, epoch: int) -> float:
        """a_t; epoch: from 1."""
        if self.config.schedule == "as_described":
            return 1 - math.exp(-1 / epoch)
        return min(max(math.exp(-0.3 * (epoch - 1)), 0.05), 0.95)

    def _predict(self, h: dict[str, Tensor], batch: Batch) -> Prediction:
        logits = {m: self.heads[m](x) for m, x in h.items()}
        return Prediction(mean_over_present(logits, batch.present), logits)

    def _fitting(self, prediction: Prediction, batch: Batch) -> Tensor:
        if self.config.fitting == "mean":
            return cross_entropy(prediction.logits.float(), batch.labels)
        return torch.stack(list(unimodal_losses(prediction.per_modality, batch).values())).mean()

    def _matching(self, h: dict[str, Tensor], batch: Batch) -> Tensor:
        """The mean over all pairs of modalities.  h: modality -> [B, D]."""
        if self.config.matching == "as_described":
            h = {m: self.projections[m](x) for m, x in h.items()}
        losses = []
        for one, other in combinations(h, 2):
            both = batch.present[one] & batch.present[other]
            pair = h[one][both].float(), h[other][both].float()
            if self.config.matching == "as_described":
                losses.append(contrastive_loss(*pair, self.config.temperature))
            else:
                losses.append(divergence(*pair))
        return torch.stack(losses).mean()


def contrastive_loss(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """How far each row is from finding its like, both ways.  [B, D] each.  Radford et al.: CLIP, ICML 2021.

    0 for no rows and, there being nothing to tell it from, for one.
    """
    with torch.autocast(a.device.type, enabled=False):  # a small temperature magnifies what lower precision loses
        similarity = normalize(a, dim=1) @ normalize(b, dim=1).T / temperature
        found = similarity.log_softmax(dim=1).diagonal() + similarity.log_softmax(dim=0).diagonal()
    return -found.sum() / (2 * max(1, len(a)))


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """(KL(r || p) + KL(r || q)) / 2 of two softmaxes and their mean, the mean over rows; 0 for none.  [B, D] each."""
    log_p, log_q = a.log_softmax(dim=1), b.log_softmax(dim=1)
    log_r = torch.logaddexp(log_p, log_q) - math.log(2)
    each = (log_r.exp() * (log_r - (log_p + log_q) / 2)).sum(dim=1)
    return each.sum() / max(1, len(a))
