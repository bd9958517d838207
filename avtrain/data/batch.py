"""The batch that a model sees: front-end outputs, which modalities are present, labels."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B samples.

    Attributes:
        inputs: by modality: audio [B, bins, frames], image [B, 3, size, size], video [B, F, 3, size, size],
            text int64 [B, N].  The row of an absent modality is zeros, and no method may let it influence a result.
        present: modality -> bool [B].
        labels: int64 [B].
        scenario: int64 [B], index into the manifest's scenarios; prompt sets are chosen by it.
        ids: B sample ids.
        tokens: modality -> [B, N, D] of a frozen backbone, where they are cached; else empty.
        lengths: modality -> int64 [B], samples of raw audio before zeros were added; empty after a front end.
        texts: modality -> B raw texts, empty where missing; empty after a front end.
    """

    inputs: dict[str, Tensor]
    present: dict[str, Tensor]
    labels: Tensor
    scenario: Tensor
    ids: tuple[str, ...]
    tokens: dict[str, Tensor] = field(default_factory=dict)
    lengths: dict[str, Tensor] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: slice) -> "Batch":
        """Return some of the samples as a batch."""
        return Batch(
            inputs={m: x[rows] for m, x in self.inputs.items()},
            present={m: x[rows] for m, x in self.present.items()},
            labels=self.labels[rows],
            scenario=self.scenario[rows],
            ids=self.ids[rows],
            tokens={m: x[rows] for m, x in self.tokens.items()},
            lengths={m: x[rows] for m, x in self.lengths.items()},
            texts={m: x[rows] for m, x in self.texts.items()},
        )

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return replace(
            self,
            inputs={m: x.to(device, non_blocking=True) for m, x in self.inputs.items()},
            present={m: x.to(device, non_blocking=True) for m, x in self.present.items()},
            labels=self.labels.to(device, non_blocking=True),
            scenario=self.scenario.to(device, non_blocking=True),
            tokens={m: x.to(device, non_blocking=True) for m, x in self.tokens.items()},
            lengths={m: x.to(device, non_blocking=True) for m, x in self.lengths.items()},
        )
