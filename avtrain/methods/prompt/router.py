"""The router, which estimates a sample's scenario from its frozen features."""

import torch
from torch import Tensor, nn


class Router(nn.Module):
    """An MLP from the frozen features of all modalities to a score for each scenario.

    The features of an absent modality are zero after their LayerNorm.
    """

    def __init__(self, widths: dict[str, int], hidden: int, scenarios: int) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name, width in widths.items()})
        self.maps = nn.Sequential(nn.Linear(sum(widths.values()), hidden), nn.GELU(), nn.Linear(hidden, scenarios))

    def forward(self, pooled: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """Score the scenarios.

        Args:
            pooled: modality or `joint` -> [B, F], by `Backbone.pool`.
            present: modality -> bool [B].

        Returns:
            Logits [B, S]; their softmax weighs the prompt sets.
        """
        normed = {name: self.norms[name](x) for name, x in pooled.items()}
        seen = [x.where(present[name][:, None], 0.0) if name in present else x for name, x in normed.items()]
        logits: Tensor = self.maps(torch.cat(seen, dim=1))
        return logits
