"""The fusion of MLA: a weighted sum of the modalities' logits, z = sum_m lambda_m z_m with lambda = softmax_m(s_m)."""

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
    """Sum the logits of the modalities present, with weights that sum to 1 in every sample.

    how                  s_m
    mean                 0
    fixed                log w_m
    entropy              -e_m, with e_m the entropy of softmax(z_m) of each sample
    entropy_as_released  -e_m, with e_m one number for the whole batch (`batch_entropy`)

    Args:
        logits: modality -> z_m, [B, C].
        present: modality -> bool [B], at least one true for each sample.
        how: the fusion.
        weights: modality -> w_m, above 0; used by `fixed` only.

    Returns:
        float32 [B, C].
    """
    mask = torch.stack([present[m] for m in logits])  # [M, B]
    z = torch.stack([x.float() for x in logits.values()]).where(mask[..., None], 0.0)  # [M, B, C]
    if how == "entropy":
        scores = -entropy(z)
    elif how == "entropy_as_released":
        entropies = [batch_entropy(x[rows]) for x, rows in zip(z, mask, strict=True)]
        scores = -torch.stack(entropies)[:, None].expand(mask.shape)
    else:
        fixed = [math.log(weights[m]) if how == "fixed" else 0.0 for m in logits]
        scores = z.new_tensor(fixed)[:, None].expand(mask.shape)
    lambdas = scores.masked_fill(~mask, -math.inf).softmax(dim=0)  # [M, B]
    return (lambdas[..., None] * z).sum(dim=0)


def entropy(logits: Tensor) -> Tensor:
    """Compute the entropy of softmax(z) in nats, 0 to log C, stable for large logits.  [..., C] to [...]."""
    log_p = logits.log_softmax(dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)


def batch_entropy(logits: Tensor) -> Tensor:
    """Compute the entropy of the released code, whose softmax runs over the samples and whose sum is over everything.

    It depends on the other samples of the batch and is 0 for a single sample; with log(0) it is NaN for large logits.

    Args:
        logits: [B, C].

    Returns:
        A scalar.
    """
    p = logits.softmax(dim=0)
    return -(p * p.log()).sum()


def fusion_weights(weights: Mapping[str, float], modalities: tuple[str, ...]) -> Mapping[str, float]:
    """Return the weights of the fusion `fixed`.

    Args:
        weights: by modality, as given by the user; empty: those published for these modalities.
        modalities: of the backbone.

    Raises:
        UsageError: a modality has no weight, or a weight belongs to no modality.
    """
    given = weights or next((published for published in PUBLISHED if set(published) == set(modalities)), {})
    lacking = [m for m in modalities if m not in given]
    foreign = [m for m in weights if m not in modalities]
    if lacking or foreign:
        found = f"method.weights has {', '.join(weights)}" if weights else "no weights are published for these"
        raise UsageError(f"{found}; fusion: fixed needs one for each of {', '.join(modalities)}, and no other")
    return {m: given[m] for m in modalities}
