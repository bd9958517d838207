"""Hiding modalities that a sample has, in training: the content of what is then missing is known."""

import torch
from torch import Tensor


def hide_modalities(present: dict[str, Tensor], rate: float) -> dict[str, Tensor]:
    """Hide each modality of a sample with a probability, but never all that it has.

    A sample that would lose all keeps one of those it has, each with the same probability; so of M modalities in all
    samples the share that is hidden is rate - rate^M / M.

    Args:
        present: modality -> bool [B].
        rate: probability, 0 to 1.

    Returns:
        modality -> bool [B], what is left.
    """
    there = torch.stack(list(present.values()))  # [M, B]
    draws = torch.rand(there.shape, device=there.device)
    left = there & (draws >= rate)
    last = draws.where(there, -1.0).argmax(dim=0)  # below the rate in a sample that would lose all, so a fair choice
    kept = torch.arange(len(there), device=there.device)[:, None] == last
    left = left | (kept & there & ~left.any(dim=0))
    return dict(zip(present, left, strict=True))
