"""BriMPR: prompts in every layer of every encoder bring the layers' statistics back to those of the training data."""

import itertools
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.gradient import GradientAdapter
from avtrain.evaluation.adaptation.layers import Moments, PromptedLayers
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Method, Prediction

LENGTH = 10  # prompts of a layer
TEMPERATURE = 0.07  # tau, of the contrastive loss
MASKED = 0.5  # share of the embedded tokens that the masked view lacks


class BriMPR(GradientAdapter):
    """Ten prompts before the tokens of each layer of each encoder; they alone are trained.

    AAAI 2026 (code: Luchicken/BriMPR).

    loss = sum over modalities of the mean over layers of |std - std_source| + |mean - mean_source|
           + CE(p of a masked view, p) + InfoNCE between the modalities' embeddings, tau = 0.07

    Means and deviations, [D], are over all tokens of the samples that have the modality, of each layer's output, and
    |.| is the Euclidean norm; the source's are those of 32 training samples.  The masked view lacks half of the
    embedded tokens, set to zero at random; which share the paper takes is not known here.  Embeddings are means of
    tokens, and each pair of modalities is contrasted in both directions over the samples that have both.  Predictions
    are made before the step.
    """

    name: ClassVar[str] = "brimpr"
    source: ClassVar[str] = "AAAI 2026"
    summary: ClassVar[str] = "prompts in each layer, by the layers' statistics, a masked view and a contrast"

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        backbone = method.backbone
        backbone.require_prompts_among_tokens(f"--adapt {self.name}")
        blocks = {m: backbone.encoder(m).blocks() for m in backbone.modalities}
        if not all(blocks.values()):
            raise UsageError(f"--adapt {self.name}: backbone {backbone.name} has an encoder without layers")
        self.layers = PromptedLayers(blocks, LENGTH, backbone.width, next(method.parameters()), source.seed)
        self.embeddings: Tokens = {}
        super().__init__(method, source)
        samples = source.samples()
        with torch.no_grad(), self.layers.active(samples.present, prompted=False) as moments:
            self._encode(samples)
        self.source_moments = dict(moments)

    def select(self) -> Sequence[nn.Parameter]:
        return self.layers.weights

    def forward(self, batch: Batch) -> Prediction:
        with self.layers.active(batch.present) as self.moments:
            return self._encode(batch)

    def loss(self, batch: Batch, prediction: Prediction) -> Tensor:
        loss = moment_loss(self.moments, self.source_moments) + contrastive_loss(self.embeddings, batch.present)
        with self.layers.active(batch.present, kept=self._draw_kept(batch)):
            masked = self._encode(batch)
        return loss + cross_entropy(masked.logits, prediction.logits.detach().softmax(dim=1))

    def _encode(self, batch: Batch) -> Prediction:
        return predict_through(self.method, batch, self._note, gradients=torch.is_grad_enabled())

    def _note(self, tokens: Tokens, batch: Batch) -> Tokens:
        self.embeddings = {m: x.mean(dim=1) for m, x in tokens.items()}
        return tokens

    def _draw_kept(self, batch: Batch) -> dict[str, Tensor]:
        """Return which embedded tokens the masked view keeps, modality -> bool [B, N]."""
        kept = {}
        for modality in self.method.backbone.modalities:
            encoder, inputs = self.method.backbone.encoder(modality), batch.inputs[modality]
            with torch.no_grad():
                count = encoder.embed(inputs[:1]).shape[1]
            draws = self.rng("mask", modality).random((len(batch), count), dtype=np.float32)
            kept[modality] = torch.from_numpy(draws >= MASKED).to(inputs.device)
        return kept


def moment_loss(moments: Mapping[str, Sequence[Moments]], source: Mapping[str, Sequence[Moments]]) -> Tensor:
    """Sum over modalities the mean over layers of the distances of means and of deviations from the source's.

    Args:
        moments: modality -> mean and deviation of each layer; of a modality that is absent none.
        source: of the training data.
    """
    parts = []
    for modality, layers in moments.items():
        if layers and source[modality]:
            pairs = zip(layers, source[modality], strict=True)
            parts.append(torch.stack([(s - s0).norm() + (m - m0).norm() for (m, s), (m0, s0) in pairs]).mean())
    return torch.stack(parts).sum()


def contrastive_loss(embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Compute InfoNCE between the modalities of a sample, over the samples that have both; 0 where fewer than 2 do.

    Args:
        embeddings: modality -> [B, D].
        present: modality -> bool [B].
    """
    losses = [next(iter(embeddings.values())).new_zeros(())]
    for one, other in itertools.combinations(embeddings, 2):
        both = present[one] & present[other]
        if both.sum() > 1:
            a, b = (normalize(embeddings[m][both], dim=1) for m in (one, other))
            similarity, target = a @ b.T / TEMPERATURE, torch.arange(len(a), device=a.device)
            losses.append((cross_entropy(similarity, target) + cross_entropy(similarity.T, target)) / 2)
    return torch.stack(losses).sum()
