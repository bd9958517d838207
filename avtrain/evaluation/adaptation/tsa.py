"""TSA: a linear adapter for each modality, and logits that decide whose adapter acts."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.gradient import GradientAdapter, entropy
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Method, Prediction

CONFIDENT = 0.9  # probability from which a prediction is a pseudo-label; published with .9 and .8, by data set
MASKED = 0.5  # share of the tokens that the strong view lacks


class TSA(GradientAdapter):
    """One adapter x + W_m x for each modality, W_m = 0 at first, of which one acts on the batch.

    Chen et al.: Test-time selective adaptation for uni-modal distribution shift in multi-modal data, ICML 2025.

    M logits, shared by the whole batch, decide which: a hard Gumbel softmax while learning, the largest (of equal ones
    none) for the prediction.  Adapters act on the tokens that leave the encoders, [B, N, D].

    loss = FixMatch - H(mean_i p_i): predictions with a confidence from 0.9 are the labels of a strong view of the same
    samples, and the batch is spread over the classes.  The strong view lacks half of the tokens, at random; of the
    published views nothing is known here.  The prediction follows the step, as READ's does.
    """

    name: ClassVar[str] = "tsa"
    source: ClassVar[str] = "Chen et al., ICML 2025"
    summary: ClassVar[str] = "a linear map of one modality's tokens, and which modality"
    predicts: ClassVar[Literal["before", "after"]] = "after"
    needs_inputs: ClassVar[bool] = False  # everything it trains follows the encoders

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        backbone = method.backbone
        like = next(method.parameters())
        self.modalities = backbone.modalities
        # encoders without a width of their own have the backbone's
        widths = [getattr(backbone.encoder(m), "width", backbone.width) for m in self.modalities]
        self.maps = [nn.Parameter(torch.zeros(width, width).to(like)) for width in widths]
        self.choice = nn.Parameter(torch.zeros(len(self.modalities)).to(like))
        super().__init__(method, source)

    def select(self) -> Sequence[nn.Parameter]:
        return [*self.maps, self.choice]

    def forward(self, batch: Batch) -> Prediction:
        return self._predict(batch, self._gates(), masked=False)

    def loss(self, batch: Batch, prediction: Prediction) -> Tensor:
        return tsa_loss(prediction.logits, self._predict(batch, self._gates(), masked=True).logits)

    def _gates(self) -> Tensor:
        """Return how much each modality's adapter acts, [M]."""
        if not torch.is_grad_enabled():
            return (self.choice > self.choice.mean()) * (self.choice == self.choice.max()).to(self.choice)
        noise = torch.from_numpy(self.rng("gumbel").gumbel(size=len(self.modalities))).to(self.choice)
        return straight_through(self.choice + noise)

    def _predict(self, batch: Batch, gates: Tensor, *, masked: bool) -> Prediction:
        def change(tokens: Tokens, batch: Batch) -> Tokens:
            changed = {}
            for gate, weight, modality in zip(gates, self.maps, self.modalities, strict=True):
                x = self._mask(modality, tokens[modality]) if masked else tokens[modality]
                changed[modality] = x + gate * (x @ weight.T)
            return changed

        return predict_through(self.method, batch, change, gradients=torch.is_grad_enabled())

    def _mask(self, modality: str, tokens: Tensor) -> Tensor:
        """Set random tokens to zero, and scale the others so that the mean stays."""
        draws = self.rng("mask", modality).random(tokens.shape[:2], dtype=np.float32)
        kept = torch.from_numpy(draws >= MASKED).to(tokens.device)
        return tokens * kept[..., None] / (1 - MASKED)


def straight_through(logits: Tensor) -> Tensor:
    """Return one-hot [M] of the largest, with the gradient of the softmax."""
    soft = logits.softmax(dim=0)
    hard = one_hot(soft.argmax(), len(soft)).to(soft)
    return hard + soft - soft.detach()


def tsa_loss(weak: Tensor, strong: Tensor) -> Tensor:
    """Compute the loss of FixMatch over all samples, minus the entropy of the mean prediction.

    Args:
        weak: [B, C], logits of the batch as it is.
        strong: [B, C], of its strong view.
    """
    probabilities = weak.softmax(dim=1)
    confidence, labels = probabilities.detach().max(dim=1)
    each = cross_entropy(strong, labels, reduction="none")
    consistent = each.where(confidence >= CONFIDENT, 0.0).mean()
    return consistent - entropy(probabilities.mean(dim=0).log())
