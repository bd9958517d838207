"""Weights of a run: which are its backbone's, and whether training diverged."""

from collections.abc import Mapping

import torch
from torch import Tensor

from avbuild.errors import UserError


class Diverged(UserError):
    """Training diverged: a loss or a weight is not finite."""


def require_finite(weights: Mapping[str, Tensor], origin: str) -> None:
    """Raise Diverged where a weight is not a number or infinite.  origin: of the weights, for the error."""
    finite = [value.isfinite().all() for value in weights.values() if value.is_floating_point()]
    if finite and not torch.stack(finite).all():
        raise Diverged(
            f"{origin}: weights are not finite: training diverged. Train again with a lower --lr and --resume restart"
        )


def backbone_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a run's backbone, by the backbone's own names."""
    prefix = "backbone."
    return {key[len(prefix) :]: value for key, value in weights.items() if key.startswith(prefix)}
