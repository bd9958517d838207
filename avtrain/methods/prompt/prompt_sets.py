"""Learned prompts, one set for each scenario."""

import torch
from torch import Tensor, nn


class PromptSets(nn.Module):
    """S sets of P prompts of width D, one set for each scenario.

    All sets start with the same values, so that they differ by what they learn.
    """

    def __init__(self, scenarios: int, length: int, width: int) -> None:
        super().__init__()
        self.sets = nn.Parameter((torch.randn(1, length, width) * 0.02).repeat(scenarios, 1, 1))

    def forward(self, choice: Tensor | None, samples: int) -> Tensor:
        """Return the prompts of each sample.

        Args:
            choice: [B, S], weight of each set; rows sum to 1.  None: all sets side by side.  A single set is that of
                every scenario, and all choices give it.
            samples: B.

        Returns:
            [B, P, D], the weighted sum of the sets; or [B, S P, D] for all sets side by side.
        """
        if choice is None or self.sets.shape[0] == 1:
            return self.sets.flatten(0, 1).expand(samples, -1, -1)
        return torch.einsum("bs,spd->bpd", choice, self.sets)
