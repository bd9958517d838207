"""The tokens that one modality attends to when modalities are fused."""

from collections.abc import Mapping

import torch
from torch import Tensor


def context_of(modality: str, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Concatenate the tokens of all other modalities.

    Args:
        modality: the one that attends.
        tokens: modality -> [..., B, N, D].
        present: modality -> bool [B].

    Returns:
        The tokens, [..., B, M, D], with M = 0 where there is no other modality; and bool [B, M], False where a token
        belongs to an absent modality.
    """
    others = {m: x if m != modality else x[..., :0, :] for m, x in tokens.items()}
    context = torch.cat(list(others.values()), dim=-2)
    visible = torch.cat([present[m][:, None].expand(-1, x.shape[-2]) for m, x in others.items()], dim=1)
    return context, visible
