"""What each training sample has cost so far, in every modality."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class LossHistory:
    """Sums of losses by modality and sample id.

    A sample that lacks a modality gets no entry for it.  In which order samples come changes nothing.
    """

    def __init__(self, modalities: Sequence[str]) -> None:
        self.modalities = tuple(modalities)
        self.places: dict[str, int] = {}  # sample id -> column below
        self.sums = torch.zeros(len(modalities), 0, dtype=torch.float64)  # [modalities, samples]
        self.counts = torch.zeros(len(modalities), 0, dtype=torch.float64)

    @torch.no_grad()
    def add(self, ids: Sequence[str], losses: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> None:
        """Count the losses of those present.  losses, present: modality -> [B]."""
        there = torch.stack([present[m] for m in self.modalities])
        new = torch.stack([losses[m] for m in self.modalities]).double().where(there, 0.0)
        columns = torch.tensor([self.places.setdefault(name, len(self.places)) for name in ids], device=new.device)
        self.sums = self._widened(self.sums, new.device).index_add(1, columns, new)
        self.counts = self._widened(self.counts, new.device).index_add(1, columns, there.double())

    def hardness(self, ids: Sequence[str], mean: bool = False) -> dict[str, Tensor]:
        """Cost of samples, scaled so that it is 0 for the least and 1 for the most costly of all with an entry.

        ids: of samples that were added.  mean: of a sample's losses, in place of their sum.  Returns modality -> [B],
        which means nothing where there is no entry.
        """
        known = self.counts > 0
        costs = self.sums / self.counts.clamp(min=1) if mean else self.sums
        least = costs.where(known, torch.inf).amin(dim=1, keepdim=True)
        most = costs.where(known, -torch.inf).amax(dim=1, keepdim=True)
        columns = torch.tensor([self.places[name] for name in ids], device=costs.device)
        scaled = (costs[:, columns] - least) / torch.where(most > least, most - least, 1.0)
        return dict(zip(self.modalities, scaled, strict=True))

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"ids": list(self.places), "sums": self.sums, "counts": self.counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.places = {name: column for column, name in enumerate(state["ids"])}
        self.sums, self.counts = state["sums"], state["counts"]

    def _widened(self, values: Tensor, device: torch.device) -> Tensor:
        """With a column of zeros for every sample that is new."""
        new = values.new_zeros(len(self.modalities), len(self.places) - values.shape[1])
        return torch.cat([values, new], dim=1).to(device)
