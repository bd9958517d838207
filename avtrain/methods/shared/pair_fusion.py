"""What FiLM and gating share: one modality acts on the other, and behind that no score belongs to one alone."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present
from avtrain.methods.shared.unimodal_features import (
    FeatureOptions,
    UnimodalFeatures,
    linear_heads,
    mean_where,
    unimodal_losses,
)


class PairFusion(UnimodalFeatures):
    """Scores fused from exactly two modalities, and beside them a linear probe on each.

    A probe reads h_m and trains nothing but itself (Alain and Bengio, ICLR 2017 workshop), so all else learns as it
    would without.  It is our convention for what the papers leave open: it gives a modality its own scores, and a
    sample that lacks the other modality its prediction.  The fusion and the encoders learn from the samples that have
    both.  The loss is that of the fused scores plus those of the probes.
    """

    def __init__(
        self, backbone: Backbone, classes: int, config: FeatureOptions, option: str, asked: str | None
    ) -> None:
        """option: the one that names the modality which acts on the other.  asked: what it says."""
        super().__init__(backbone, config)
        self.acting, self.acted_on = _in_order(self.name, backbone.modalities, option, asked)
        self.probes = linear_heads(backbone.modalities, self.width, classes)

    def fuse(self, acting: Tensor, acted_on: Tensor) -> Tensor:
        """Scores of both, [B, C], from [B, D] each."""
        raise NotImplementedError

    def forward(self, batch: Batch) -> Prediction:
        h = self.features(batch)
        probed = {m: self.probes[m](x.detach()) for m, x in h.items()}
        fused = self.fuse(h[self.acting], h[self.acted_on])
        alone = mean_over_present(probed, batch.present)  # used where one is there: the mean is its probe's score
        return Prediction(torch.where(self._both(batch)[:, None], fused, alone), probed)

    def loss(self, batch: Batch) -> Tensor:
        prediction = self(batch)
        fused = cross_entropy(prediction.logits.float(), batch.labels, reduction="none")
        probes = unimodal_losses(prediction.per_modality, batch)
        return mean_where(fused, self._both(batch)) + torch.stack([*probes.values()]).sum()

    def _both(self, batch: Batch) -> Tensor:
        return batch.present[self.acting] & batch.present[self.acted_on]


def _in_order(method: str, modalities: tuple[str, ...], option: str, asked: str | None) -> tuple[str, str]:
    """The modality that acts, and the one acted on.  Raises UsageError."""
    if len(modalities) != 2:
        raise UsageError(
            f"method {method} fuses two modalities, but here are {len(modalities)}: {', '.join(modalities)}; "
            "concat, sum and late-fusion take any number"
        )
    if asked is not None and asked not in modalities:
        raise UsageError(f'method.{option} is "{asked}", but the modalities here are {" and ".join(modalities)}')
    acting = asked or ("audio" if "audio" in modalities else modalities[0])
    return acting, modalities[1 - modalities.index(acting)]
