"""SimMLM: gated experts, and a loss for samples that are predicted better with fewer of their modalities."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.drawn_absence import draw_subsets
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, linear_heads, zero_absent


class SimMLMConfig(FeatureOptions):
    """Options of `simmlm`."""

    ranking: float = Field(1.0, description="weight of the ranking loss; 0: gated experts alone", ge=0, le=1)
    gate_width: int = Field(128, description="width of the gate's hidden layer", ge=1)


class SimMLM(UnimodalFeatures):
    """A mixture of one expert a modality, trained so that more modalities are not worse than fewer.

    Li et al.: SimMLM, a simple framework for multi-modal learning with missing modality, ICCV 2025 (arXiv 2507.19264).

        z = sum_m w_m z_m        z_m = W_m h_m + b_m        w = softmax over the modalities present of G([h_1; ...; h_M])

    h_m is [B, D], zeros where it is absent, z_m is [B, C], and the gate G has one hidden layer and M outputs.  Each
    sample is seen twice in a step: with the modalities that it has, x+, and with a random part of them, x-:

        loss = CE(x+) + CE(x-) + lambda max(0, CE(x+) - CE(x-))        a mean over the samples

    The last term, "more versus fewer" (MoFe), acts on samples that are predicted better with fewer modalities.  At
    lambda = 1 it cancels their CE(x-) and counts CE(x+) twice; above, the loss would have no lower bound.

    The mixture, the loss and its idea are the paper's, which was not at hand in full.  Ours are: lambda, the shape of
    the gate, one linear map as expert, training experts and gate together, x- with equal probability for every nonempty
    proper subset, and a gradient through both sides of the ranking.  For a sample with one modality x- is x+, and
    the ranking loss is zero.
    """

    name = "simmlm"
    source = "Li et al., ICCV 2025 (from its abstract and figure)"
    Config = SimMLMConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: SimMLMConfig) -> None:
        super().__init__(backbone, config)
        self.ranking, count = config.ranking, len(backbone.modalities)
        self.experts = linear_heads(backbone.modalities, self.width, classes)
        hidden = nn.Linear(count * self.width, config.gate_width)
        self.gate = nn.Sequential(hidden, nn.ReLU(), nn.Linear(config.gate_width, count))

    def forward(self, batch: Batch) -> Prediction:
        return self._mix(self.features(batch), batch.present)

    def loss(self, batch: Batch) -> Tensor:
        h, fewer = self.features(batch), draw_subsets(batch.present, proper=True)
        losses = [
            cross_entropy(self._mix(h, present).logits.float(), batch.labels, reduction="none")
            for present in (batch.present, fewer)
        ]
        return (losses[0] + losses[1] + self.ranking * more_versus_fewer(*losses)).mean()

    def _mix(self, h: dict[str, Tensor], present: dict[str, Tensor]) -> Prediction:
        """Return z and every z_m.  h: modality -> [B, D]; present: modality -> bool [B]."""
        z = {m: self.experts[m](x) for m, x in h.items()}
        stacked = torch.stack(list(zero_absent(z, present).values()), dim=1)  # [B, M, C]
        return Prediction((self._weights(h, present)[..., None] * stacked).sum(dim=1), z)

    def _weights(self, h: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """Return w, [B, M]; rows sum to 1, and an absent modality has 0."""
        scores: Tensor = self.gate(torch.cat(list(zero_absent(h, present).values()), dim=1))
        mask = torch.stack([present[m] for m in h], dim=1)
        return scores.masked_fill(~mask, -torch.inf).softmax(dim=1)


def more_versus_fewer(more: Tensor, fewer: Tensor) -> Tensor:
    """Compute how much worse each sample is predicted with more modalities than with fewer, at least 0.

    Args:
        more: [B], losses with all modalities of the samples.
        fewer: [B], losses with some of them.

    Returns:
        [B].
    """
    return (more - fewer).relu()
