"""What one modality sees of the others when they are fused."""

from collections.abc import Mapping

import torch
from torch import Tensor


def context_of(modality: str, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The tokens of the other modalities, side by side, and which of them are of a modality that is there.

    tokens: modality -> [..., B, N, D].  present: modality -> bool [B].  Returns [..., B, M, D] and bool [B, M]; M is 0
    where there is no other.
    """
    seen = {m: x if m != modality else x[..., :0, :] for m, x in tokens.items()}
    context = torch.cat(list(seen.values()), dim=-2)
    visible = torch.cat([present[m][:, None].expand(-1, x.shape[-2]) for m, x in seen.items()], dim=1)
    return context, visible
