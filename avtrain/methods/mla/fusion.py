"""How MLA puts the scores of its modalities together: z = sum_m lambda_m z_m, lambda = softmax_m(s_m)."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from avbuild.errors import UsageError

Fusion = Literal["mean", "fixed", "entropy", "entropy_as_released"]

# Zhang et al., CVPR 2024, in the released code
PUBLISHED: Sequence[Mapping[str, float]] = (
    {"audio": 0.55, "image": 0.45},
    {"audio": 0.55, "video": 0.45},
    {"audio": 0.35, "image": 0.25, "text": 0.40},
    {"audio": 0.35, "video": 0.25, "text": 0.40},
)


def fuse(logits: dict[str, Tensor], present: dict[str, Tensor], how: Fusion, weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of the logits of those present, in single precision; their weights sum to 1 in every sample.

    logits: modality -> [B, C].  present: modality -> bool [B], at least one true a sample.  weights: modality ->
    above 0, what `fixed` takes.  Returns [B, C].

    mean                 s_m = 0
    fixed                s_m = log w_m
    entropy              s_m = -e_m, with e_m the entropy of softmax(z_m), a sample
    entropy_as_released  s_m = -e_m, with e_m one number for the whole batch (`batch_entropy`)
    """
    there = torch.stack([present[m] for m in logits])
    z = torch.stack([x.float() for x in logits.values()]).where(there[..., None], 0.0)  # [M, B, C]
    if how == "entropy":
        scores = -entropy(z)
    elif how == "entropy_as_released":
        whole = [batch_entropy(x[rows]) for x, rows in zip(z, there, strict=True)]
        scores = -torch.stack(whole)[:, None].expand(there.shape)
    else:
        fixed = [math.log(weights[m]) if how == "fixed" else 0.0 for m in logits]
        scores = z.new_tensor(fixed)[:, None].expand(there.shape)
    share = scores.masked_fill(~there, -math.inf).softmax(dim=0)  # [M, B]
    return (share[..., None] * z).sum(dim=0)


def entropy(logits: Tensor) -> Tensor:
    """Of softmax(z), in nats, 0 to log C, also where z is large.  [..., C] to [...]."""
    log_p = logits.log_softmax(dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)


def batch_entropy(logits: Tensor) -> Tensor:
    """As released: the softmax runs over the samples, and the sum over everything.  [B, C] to a number.

    So it depends on who else is in the batch, is 0 for a sample alone, and, with log(0), NaN where logits are large.
    """
    p = logits.softmax(dim=0)
    return -(p * p.log()).sum()


def fusion_weights(weights: Mapping[str, float], modalities: tuple[str, ...]) -> Mapping[str, float]:
    """The weights of `fixed`: those given, else those published.  Raises UsageError where a modality has none."""
    given = weights or next((published for published in PUBLISHED if set(published) == set(modalities)), {})
    lacking = [m for m in modalities if m not in given]
    foreign = [m for m in weights if m not in modalities]
    if lacking or foreign:
        found = f"method.weights has {', '.join(weights)}" if weights else "no weights are published for these"
        raise UsageError(f"{found}; fusion: fixed needs one for each of {', '.join(modalities)}, and no other")
    return {m: given[m] for m in modalities}
