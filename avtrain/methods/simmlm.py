"""SimMLM: gated experts, and a loss for samples that are predicted better with fewer of their modalities."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.drawn_absence import draw_subsets
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.residual_autoencoder import MLP
from avtrain.methods.shared.unimodal_features import zero_absent


class SimMLMConfig(EmbeddingOptions):
    """Options of `simmlm`."""

    ranking: float = Field(1.0, description="weight of the ranking loss; 0: gated experts alone", ge=0, le=1)
    dropout: float = Field(0.5, description="probability, inside experts and gate", ge=0, lt=1)


class SimMLM(EmbeddingMethod):
    """A mixture of one expert a modality, trained so that more modalities are not worse than fewer.

    Li et al.: SimMLM, a simple framework for multi-modal learning with missing modality, ICCV 2025 (arXiv 2507.19264).

        z_m = E_m(x_m)        w = softmax over the modalities present of G([x_1; ...; x_M])        z = sum_m w_m z_m

    x_m is [B, D_m], zeros where it is absent; z_m and z are [B, C]; w is [B, M].  Each sample is predicted twice in a
    step, with the modalities that it has, x+, and with a random part of them, x-:

        loss = CE(x+) + CE(x-) + lambda max(0, CE(x+) - CE(x-))        a mean over the samples

    The last term, "more versus fewer" (MoFe), acts on samples that are predicted better with fewer modalities.  At
    lambda = 1 it cancels their CE(x-) and counts CE(x+) twice; above 1 the loss would have no lower bound.

    The mixture and the ranking are the paper's, of which abstract and first figure were at hand.  Ours are: lambda = 1,
    experts and gate of three layers, trained together from the start, x- drawn from all nonempty proper subsets with
    equal probability, and a gradient through both sides of the ranking.  A sample with one modality has x- = x+, and no
    ranking loss.  The scores of one modality are those of its expert.
    """

    name = "simmlm"
    source = "Li et al., ICCV 2025 (from its abstract and figure)"
    Config = SimMLMConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: SimMLMConfig) -> None:
        super().__init__(backbone, config.frozen)
        self.ranking = config.ranking
        self.experts = nn.ModuleDict({m: MLP(d, classes, config.dropout) for m, d in self.widths.items()})
        self.gate = MLP(sum(self.widths.values()), len(self.widths), config.dropout)

    def forward(self, batch: Batch) -> Prediction:
        x = self.embeddings(batch)
        z = {m: self.experts[m](value) for m, value in x.items()}
        return Prediction(self._mixture(x, z, batch.present), z)

    def loss(self, batch: Batch) -> Tensor:
        x, fewer = self.embeddings(batch), draw_subsets(batch.present, proper=True)
        z = {m: self.experts[m](value) for m, value in x.items()}  # once, so that both sides share a dropout mask
        more_loss, fewer_loss = (
            cross_entropy(self._mixture(x, z, present).float(), batch.labels, reduction="none")
            for present in (batch.present, fewer)
        )
        return (more_loss + fewer_loss + self.ranking * more_versus_fewer(more_loss, fewer_loss)).mean()

    def _mixture(self, x: dict[str, Tensor], z: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """Return the scores of all modalities present together, [B, C].

        Args:
            x: modality -> [B, D_m].
            z: modality -> [B, C].
            present: modality -> bool [B].
        """
        mask = torch.stack([present[m] for m in x], dim=1)
        scores: Tensor = self.gate(torch.cat(list(zero_absent(x, present).values()), dim=1))
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=1)
        return (weights[..., None] * torch.stack(list(z.values()), dim=1)).sum(dim=1)


def more_versus_fewer(more: Tensor, fewer: Tensor) -> Tensor:
    """Compute how much worse each sample is predicted with more modalities than with fewer, at least 0.

    Args:
        more: [B], losses with all modalities of the samples.
        fewer: [B], losses with some of them.

    Returns:
        [B].
    """
    return (more - fewer).relu()
