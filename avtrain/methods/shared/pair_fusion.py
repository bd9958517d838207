"""The base of FiLM and gating: one modality acts on the other, after which no score belongs to one alone."""

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
    """Logits fused from exactly two modalities, and a linear probe on each modality.

    A probe reads h_m and trains nothing but itself (Alain and Bengio, ICLR 2017 workshop), so the rest learns as it
    would without.  Probes are our convention for what the papers leave open: they give a modality its own scores, and a
    sample that lacks the other modality its prediction.  Fusion and encoders learn from the samples that have both.
    The loss is that of the fused logits plus those of the probes.

    Attributes:
        conditioning: the modality that acts.
        conditioned: the modality that it acts on.
    """

    modalities_limit = (2, 2)

    def __init__(
        self, backbone: Backbone, classes: int, config: FeatureOptions, option: str, asked: str | None
    ) -> None:
        """Build features and probes.

        Args:
            backbone: of two modalities.
            classes: number of classes.
            config: options of the method.
            option: name of the option that chooses the conditioning modality, for the error.
            asked: its value; None: audio where the data have it, else the first modality.

        Raises:
            UsageError: the modality asked for is not one of the backbone's.
        """
        super().__init__(backbone, config)
        self.conditioning, self.conditioned = _conditioning_order(backbone.modalities, option, asked)
        self.probes = linear_heads(backbone.modalities, self.width, classes)

    def fuse(self, conditioning: Tensor, conditioned: Tensor) -> Tensor:
        """Return the logits of both modalities, [B, C], from [B, D] each."""
        raise NotImplementedError

    def forward(self, batch: Batch) -> Prediction:
        h = self.features(batch)
        probed = {m: self.probes[m](x.detach()) for m, x in h.items()}
        fused = self.fuse(h[self.conditioning], h[self.conditioned])
        single = mean_over_present(probed, batch.present)  # with one modality present, the logits of its probe
        return Prediction(torch.where(self._both_present(batch)[:, None], fused, single), probed)

    def loss(self, batch: Batch) -> Tensor:
        prediction = self(batch)
        fused = cross_entropy(prediction.logits.float(), batch.labels, reduction="none")
        probes = unimodal_losses(prediction.per_modality, batch)
        return mean_where(fused, self._both_present(batch)) + torch.stack([*probes.values()]).sum()

    def _both_present(self, batch: Batch) -> Tensor:
        return batch.present[self.conditioning] & batch.present[self.conditioned]


def _conditioning_order(modalities: tuple[str, ...], option: str, asked: str | None) -> tuple[str, str]:
    """Return the conditioning and the conditioned modality."""
    if asked is not None and asked not in modalities:
        raise UsageError(f'method.{option} is "{asked}", but the modalities here are {" and ".join(modalities)}')
    conditioning = asked or ("audio" if "audio" in modalities else modalities[0])  # as published: audio is first
    return conditioning, modalities[1 - modalities.index(conditioning)]
