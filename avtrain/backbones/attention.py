"""Softmax attention as every encoder uses it, with room for prompts among the keys and values."""

import torch
from torch import Tensor
from torch.nn import functional

Prompts = tuple[Tensor, Tensor]  # learned keys and values, [B, P, D] each


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    prompts: Prompts | None = None,
    visible: Tensor | None = None,
) -> Tensor:
    """Compute softmax(Q K^T / sqrt(d)) V for each head, with d = D / heads, and join the heads.

    Args:
        query: [B, N, D], projected.
        key: [B, M, D], projected.
        value: [B, M, D], projected.
        heads: number of attention heads; divides D.
        prompts: put in front of keys and values without a projection; the number of queries stays N.
        visible: bool [B, M], False for keys that a sample's queries must not see; None: all are visible.  Prompts
            always are.

    Returns:
        [B, N, D].
    """
    mask = None if visible is None else visible[:, None, None]
    if prompts is not None:
        key, value = (torch.cat([extra.to(x.dtype), x], dim=1) for extra, x in zip(prompts, (key, value), strict=True))
        if mask is not None:
            mask = functional.pad(mask, (key.shape[1] - mask.shape[-1], 0), value=True)
    query, key, value = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
