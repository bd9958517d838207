"""SuMi: layer norms adapt to samples that are not outliers and whose prediction is sure enough."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.gradient import GradientAdapter, entropy, norm_weights
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Prediction

THRESHOLD = 0.4  # of the entropy, in ln C
REACH = 1.5  # of the quartiles, in interquartile ranges: Tukey's fences


class SuMi(GradientAdapter):
    """Entropy minimised by layer norms, on samples chosen by the interquartile range of features and by entropy.

    Guo and Jin: Smoothing the shift: towards stable test-time adaptation under complex multimodal noises, ICLR 2025.

    A sample is chosen where

    - in each modality that it has, the mean of its features is within 1.5 interquartile ranges of the batch's
      quartiles (the abrupt shifts that the paper smooths out);
    - the entropy of its prediction is below 0.4 ln C, and so is that of at least one of its modalities alone, where
      the method scores modalities alone (unimodal assistance).

    loss = mean H(p) + mean over modalities of KL(p || p_m), both over the chosen samples; the second is mutual
    information sharing.  Where nothing is chosen, nothing is adapted.  How the fences widen over time, and when the
    second term acts, is not known here: both are constant.
    """

    name: ClassVar[str] = "sumi"
    source: ClassVar[str] = "Guo and Jin, ICLR 2025"
    summary: ClassVar[str] = "scale and shift of layer norms, by the entropy of chosen samples"

    def select(self) -> Sequence[nn.Parameter]:
        return norm_weights(self.method, (nn.LayerNorm,), self.name)

    def forward(self, batch: Batch) -> Prediction:
        self.features: dict[str, Tensor] = {}
        return predict_through(self.method, batch, self._note, gradients=torch.is_grad_enabled())

    def _note(self, tokens: Tokens, batch: Batch) -> Tokens:
        encoder = self.method.backbone.encoder
        self.features = {m: encoder(m).pool(x.detach()).mean(dim=1) for m, x in tokens.items()}
        return tokens

    def loss(self, batch: Batch, prediction: Prediction) -> Tensor | None:
        return sumi_loss(prediction, self.features, batch.present)


def sumi_loss(prediction: Prediction, features: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor | None:
    """Compute SuMi's loss, a scalar; None where no sample is chosen.

    Args:
        prediction: of the batch.
        features: modality -> [B], mean of the features of each sample.
        present: modality -> bool [B].
    """
    own = {m: scores for m, scores in prediction.per_modality.items() if m in present}
    chosen = within_fences(features, present) & sure(prediction.logits, own, present)
    if not chosen.any():
        return None
    losses = [entropy(prediction.logits)[chosen].mean()]
    shares = []
    for modality, scores in own.items():
        rows = chosen & present[modality]
        if rows.any():
            joint, alone = prediction.logits[rows].log_softmax(dim=1), scores[rows].log_softmax(dim=1)
            shares.append((joint.exp() * (joint - alone)).sum(dim=1).mean())
    if shares:
        losses.append(torch.stack(shares).mean())
    return torch.stack(losses).sum()


def within_fences(features: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
    """Return which samples are within the fences in every modality that they have, bool [B].

    Args:
        features: modality -> [B].
        present: modality -> bool [B].
    """
    inside = torch.ones_like(next(iter(present.values())))
    for modality, values in features.items():
        there = present[modality]
        if there.any():
            low, high = (values[there].quantile(q) for q in (0.25, 0.75))
            reach = REACH * (high - low)
            inside &= ~there | ((values >= low - reach) & (values <= high + reach))
    return inside


def sure(logits: Tensor, own: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
    """Return which samples have an entropy below the threshold, jointly and in a modality alone, bool [B].

    Args:
        logits: [B, C].
        own: modality -> [B, C]; empty where the method scores no modality alone.
        present: modality -> bool [B].
    """
    threshold = THRESHOLD * math.log(logits.shape[1])
    joint = entropy(logits) < threshold
    if not own:
        return joint
    alone = [present[m] & (entropy(scores) < threshold) for m, scores in own.items()]
    return joint & torch.stack(alone).any(dim=0)
