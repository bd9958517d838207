"""LFM: training first aligns the modalities, then shifts its weight to the labels."""

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
        "as_described", description="contrastive, on projections; or the divergence of features, as in the code"
    )
    fitting: Literal["each", "mean"] = Field(
        "each", description="cross-entropy of each modality's scores; or of their mean, as released"
    )
    temperature: float = Field(0.07, description="temperature of the contrastive loss", gt=0)
    embedding: int = Field(128, description="width of the projections that the contrastive loss compares", ge=1)


class LFM(UnimodalFeatures):
    """Late fusion trained by cross-entropy and a matching of the modalities, whose weight falls from epoch to epoch.

    Yang et al.: Facilitating multimodal classification via dynamically learning modality gap, NeurIPS 2024.

        L = a_t L_match + (1 - a_t) L_label        a_t = 1 - exp(-1 / t), epoch t = 1, 2, ...

    L_match is CLIP's symmetric contrastive loss, averaged over all pairs m, n of modalities.  With e = P h / |P h| and
    s_ij = <e_mi, e_nj> / tau, it is the mean over i of (-log softmax_j(s_ij) - log softmax_j(s_ji)) / 2 at j = i, where
    i and j are samples that have both modalities.  L_label is the mean of the modalities' cross-entropies, each over
    the samples that have the modality.  The prediction is the mean of the logits of the modalities present.

    This is the paper's heuristic strategy; its second one, which learns a_t by bi-level optimisation, is not here.  We
    have not seen the paper's equations: a_t is known at second hand, and that it weighs the matching follows from the
    code.  Whether the paper fits each modality or their mean, and whether it projects features, is not known to us.

    Released code, as far as we know it (a copy of what looks like the authors' script for CREMA-D): it starts from
    pretrained weights, fits the mean of the logits, and has a_t = exp(-0.3 (t - 1)), limited to 0.05 to 0.95.  It
    computes three matchings under one name, of which the last is used and is not contrastive: for the softmax p and q
    of two features and their mean r it is (KL(r || p) + KL(r || q)) / 2, whereas the Jensen-Shannon divergence has p
    and q first.  BalanceBenchmark has this divergence too, of logits.
    """

    name = "lfm"
    source = "Yang et al., NeurIPS 2024"
    Config = LFMConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LFMConfig) -> None:
        super().__init__(backbone, config)
        if len(backbone.modalities) < 2:
            raise UsageError(f"method lfm needs at least two modalities; these data have {backbone.modalities[0]} only")
        self.config = config
        self.heads = linear_heads(backbone.modalities, self.width, classes)
        projected = backbone.modalities if config.matching == "as_described" else ()
        self.projections = linear_heads(projected, self.width, config.embedding)

    def forward(self, batch: Batch) -> Prediction:
        return self._predict(self.features(batch), batch)

    def loss(self, batch: Batch) -> Tensor:
        h = self.features(batch)
        weight = self.matching_weight(self.progress.epoch)
        return weight * self._matching(h, batch) + (1 - weight) * self._fitting(self._predict(h, batch), batch)

    def matching_weight(self, epoch: int) -> float:
        """Return a_t, the weight of the matching.  epoch: t, from 1."""
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
        """Return the mean matching loss over all pairs of modalities.  h: modality -> [B, D]."""
        if self.config.matching == "as_described":
            h = {m: self.projections[m](x) for m, x in h.items()}
        losses = []
        for m, n in combinations(h, 2):
            both = batch.present[m] & batch.present[n]
            pair = h[m][both].float(), h[n][both].float()
            if self.config.matching == "as_described":
                losses.append(contrastive_loss(*pair, self.config.temperature))
            else:
                losses.append(divergence(*pair))
        return torch.stack(losses).mean()


def contrastive_loss(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Compute CLIP's symmetric contrastive loss (Radford et al., ICML 2021); row i of a and row i of b match.

    Args:
        a: [B, D].
        b: [B, D].
        temperature: tau, above 0.

    Returns:
        A scalar; 0 for no rows and for one row.
    """
    with torch.autocast(a.device.type, enabled=False):  # a small temperature magnifies rounding errors
        similarity = normalize(a, dim=1) @ normalize(b, dim=1).T / temperature
        log_p = similarity.log_softmax(dim=1).diagonal() + similarity.log_softmax(dim=0).diagonal()
    return -log_p.sum() / (2 * max(1, len(a)))


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """Compute (KL(r || p) + KL(r || q)) / 2 for p = softmax(a), q = softmax(b) and their mean r, averaged over rows.

    Args:
        a: [B, D].
        b: [B, D].

    Returns:
        A scalar; 0 for no rows.
    """
    log_p, log_q = a.log_softmax(dim=1), b.log_softmax(dim=1)
    log_r = torch.logaddexp(log_p, log_q) - math.log(2)
    each = (log_r.exp() * (log_r - (log_p + log_q) / 2)).sum(dim=1)
    return each.sum() / max(1, len(a))
