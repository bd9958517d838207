"""What a model sees: front-end outputs, which modalities are there, labels."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B samples. A modality that a sample lacks has a row of zeros in `inputs`, which no method may use."""

    inputs: dict[str, Tensor]  # audio [B, bins, frames]; image [B, 3, size, size], video [B, F, 3, size, size]
    present: dict[str, Tensor]  # modality -> bool [B]
    labels: Tensor  # int64 [B]
    scenario: Tensor  # int64 [B], index into the manifest's scenarios: what prompt sets are chosen by
    ids: tuple[str, ...]
    tokens: dict[str, Tensor] = field(default_factory=dict)  # [B, N, D] of a frozen backbone, where they are cached

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: slice) -> "Batch":
        """Some of its samples."""
        return Batch(
            inputs={m: x[rows] for m, x in self.inputs.items()},
            present={m: x[rows] for m, x in self.present.items()},
            labels=self.labels[rows],
            scenario=self.scenario[rows],
            ids=self.ids[rows],
            tokens={m: x[rows] for m, x in self.tokens.items()},
        )

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return replace(
            self,
            inputs={m: x.to(device, non_blocking=True) for m, x in self.inputs.items()},
            present={m: x.to(device, non_blocking=True) for m, x in self.present.items()},
            labels=self.labels.to(device, non_blocking=True),
            scenario=self.scenario.to(device, non_blocking=True),
            tokens={m: x.to(device, non_blocking=True) for m, x in self.tokens.items()},
        )
