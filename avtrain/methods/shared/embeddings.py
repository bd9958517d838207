"""The base of methods of missing modalities: one embedding for each modality, standardised on the training split."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Method
from avtrain.methods.shared.fitted import Fitted, Standardisation
from avtrain.methods.shared.unimodal_features import zero_absent


class EmbeddingOptions(Frozen):
    """Options of all these methods that can train the backbone."""

    frozen: bool = Field(True, description="keep the backbone as it is; false: train it with the method")


@dataclass(frozen=True)
class EmbeddedSamples:
    """The embeddings of N samples, such as a whole training split, in the order of the data.

    Attributes:
        values: modality -> [N, D_m]; rows of an absent modality are zeros.
        present: modality -> bool [N].
        labels: int64 [N].
        ids: N sample ids.
    """

    values: dict[str, Tensor]
    present: dict[str, Tensor]
    labels: Tensor
    ids: tuple[str, ...]


class EmbeddingMethod(Method):
    """Methods on x_m, one embedding [B, D_m] for each modality m; the widths D_m may differ.

    With a frozen backbone, its pooled tokens are cached, and each feature is standardised by the mean and the standard
    deviation of those training samples that have the modality.  Absent modalities are zeros, which is the mean: this is
    imputation by the mean of the training split, and as near to zeros as a standardised feature can be.  Nothing is
    ever computed from validation or test data.

    With a trained backbone these statistics would change with every step, so a LayerNorm takes their place.

    All are trained alike: AdamW without mixup or label smoothing, in batches of 256.
    """

    default_lr = 1e-3
    default_epochs = 100
    default_draws = 3
    default_batch_size = 256
    default_weight_decay = 1e-4
    clip_norm = 5.0
    rowwise_calls = ("pooled",)

    def __init__(self, backbone: Backbone, frozen: bool = True) -> None:
        """Build the embeddings.

        Args:
            backbone: of as many modalities as `modalities_limit` allows.
            frozen: whether the backbone stays as it is.
        """
        super().__init__(backbone)
        self.frozen = frozen
        self.widths = backbone.unimodal_widths
        if frozen:
            self.freeze_backbone()
            self.reading = backbone.pooled_reading
        norm = Standardisation if frozen else nn.LayerNorm
        self.norms = nn.ModuleDict({m: norm(width) for m, width in self.widths.items()})

    def pooled(self, batch: Batch) -> dict[str, Tensor]:
        """Return the pooled tokens of every modality, [B, D_m]; rows of an absent modality have no meaning."""
        if self.reading is not None:
            with torch.no_grad():
                return self.backbone.pool_unimodal(self.backbone.frozen_tokens(batch, self.reading))
        return self.backbone.pool_unimodal(self.backbone.encode(batch))

    def embeddings(self, batch: Batch) -> dict[str, Tensor]:
        """Return x_m of every modality, [B, D_m]; rows of an absent modality are zeros."""
        return zero_absent({m: self.norms[m](x) for m, x in self.pooled(batch).items()}, batch.present)

    def begin_training(self, batches: Iterable[Batch]) -> None:
        if self.frozen:
            found = self._collected(batches, self.pooled)
            for m, norm in self.norms.items():
                assert isinstance(norm, Standardisation)
                norm.fit(found.values[m][found.present[m]])

    def embed_all(self, batches: Iterable[Batch]) -> EmbeddedSamples:
        """Return the embeddings of all batches together, without gradient.

        Args:
            batches: of the training split, as `begin_training` and `end_epoch` get them.
        """
        return self._collected(batches, self.embeddings)

    def encoder_modules(self, modality: str) -> list[nn.Module]:
        return [*super().encoder_modules(modality), self.norms[modality]]

    def fitted_values(self) -> list[Tensor]:
        return [value for module in self.modules() if isinstance(module, Fitted) for value in module.buffers()]

    @torch.no_grad()
    def _collected(self, batches: Iterable[Batch], embed: Callable[[Batch], dict[str, Tensor]]) -> EmbeddedSamples:
        parts = [(zero_absent(embed(batch), batch.present), batch) for batch in batches]
        modalities = self.backbone.modalities
        return EmbeddedSamples(
            values={m: torch.cat([x[m] for x, _ in parts]) for m in modalities},
            present={m: torch.cat([batch.present[m] for _, batch in parts]) for m in modalities},
            labels=torch.cat([batch.labels for _, batch in parts]),
            ids=tuple(name for _, batch in parts for name in batch.ids),
        )
