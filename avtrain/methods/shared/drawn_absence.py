"""Random sets of modalities: what a sample would look like if it lacked some of those that it has."""

from itertools import product

import torch
from torch import Tensor


def draw_subsets(present: dict[str, Tensor], proper: bool) -> dict[str, Tensor]:
    """Draw a nonempty set of the modalities of each sample, every set with the same probability.

    Random numbers are those of PyTorch's default generator.

    Args:
        present: modality -> bool [B], at least one true for each sample.
        proper: whether at least one modality is left out; a sample with a single one keeps it.

    Returns:
        modality -> bool [B], true only where `present` is.
    """
    patterns = torch.tensor(list(product([False, True], repeat=len(present)))[1:])  # [2^M - 1, M]
    there = torch.stack(list(present.values()), dim=1).cpu()  # [B, M]
    inside = (patterns[None] <= there[:, None]).all(dim=2)  # [B, 2^M - 1]
    if proper:
        whole = (patterns[None] == there[:, None]).all(dim=2)
        inside &= ~whole | (there.sum(dim=1, keepdim=True) == 1)
    drawn = patterns[torch.multinomial(inside.double(), 1)[:, 0]]
    return {m: drawn[:, i].to(mask.device) for i, (m, mask) in enumerate(present.items())}


def all_present(present: dict[str, Tensor]) -> Tensor:
    """Return which samples have all modalities, bool [B].  present: modality -> bool [B]."""
    return torch.stack(list(present.values())).all(dim=0)
