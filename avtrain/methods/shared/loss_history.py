"""The losses that each training sample has had so far, in every modality."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class LossHistory:
    """Sums of losses for each modality and sample id; a sample has no entry for a modality that it lacks.

    The order of the samples changes nothing.
    """

    def __init__(self, modalities: Sequence[str]) -> None:
        self.modalities = tuple(modalities)
        self.columns: dict[str, int] = {}  # sample id -> column of the tensors
        self.sums = torch.zeros(len(modalities), 0, dtype=torch.float64)  # [modalities, samples]
        self.counts = torch.zeros(len(modalities), 0, dtype=torch.float64)

    @torch.no_grad()
    def add(self, ids: Sequence[str], losses: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> None:
        """Add the losses of a batch where a modality is present.

        Args:
            ids: B sample ids.
            losses: modality -> [B].
            present: modality -> bool [B].
        """
        mask = torch.stack([present[m] for m in self.modalities])
        new = torch.stack([losses[m] for m in self.modalities]).double().where(mask, 0.0)
        columns = torch.tensor([self.columns.setdefault(name, len(self.columns)) for name in ids], device=new.device)
        self.sums = self._with_new_columns(self.sums, new.device).index_add(1, columns, new)
        self.counts = self._with_new_columns(self.counts, new.device).index_add(1, columns, mask.double())

    def hardness(self, ids: Sequence[str], mean: bool = False, more_to_come: bool | None = None) -> dict[str, Tensor]:
        """Return how much samples have cost, scaled to 0 for the least and 1 for the most costly sample of all.

        Args:
            ids: B sample ids, all added before.
            mean: whether a sample's cost is the mean of its losses instead of their sum.
            more_to_come: None: the least is that of the samples with an entry.  Else samples without one have cost 0,
                both those known here and, where this is true, those that training has not seen yet.

        Returns:
            modality -> [B]; values of samples without an entry have no meaning.
        """
        known = self.counts > 0
        costs = self.sums / self.counts.clamp(min=1) if mean else self.sums
        least = costs.where(known, torch.inf).amin(dim=1, keepdim=True)
        if more_to_come is not None:
            without = (~known).any(dim=1, keepdim=True) | more_to_come
            least = least.where(~without, 0.0)
        most = costs.where(known, -torch.inf).amax(dim=1, keepdim=True)
        columns = torch.tensor([self.columns[name] for name in ids], device=costs.device)
        scaled = (costs[:, columns] - least) / torch.where(most > least, most - least, 1.0)
        return dict(zip(self.modalities, scaled, strict=True))

    def state(self) -> dict[str, Any]:
        """Return the argument of `restore`."""
        return {"ids": list(self.columns), "sums": self.sums, "counts": self.counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.columns = {name: column for column, name in enumerate(state["ids"])}
        self.sums, self.counts = state["sums"], state["counts"]

    def _with_new_columns(self, values: Tensor, device: torch.device) -> Tensor:
        """Append a column of zeros for every sample that is new."""
        new = values.new_zeros(len(self.modalities), len(self.columns) - values.shape[1])
        return torch.cat([values, new], dim=1).to(device)
