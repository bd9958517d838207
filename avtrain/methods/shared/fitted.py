"""Modules whose values are computed from the whole training split at once, not by steps of an optimizer."""

import torch
from torch import Tensor, nn


class Fitted(nn.Module):
    """A module whose buffers are computed by `fit`; they are saved with the run like weights."""


class Standardisation(Fitted):
    """The map (x - mean) / std of every feature, by the statistics of the training split.

    Before `fit`, and for a modality that no training sample has, it changes nothing.  A constant feature is only
    centred.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Compute the statistics.  x: [N, D], of the training samples that have the modality."""
        if not len(x):
            return
        x = x.double()
        std = x.std(dim=0, correction=0)
        self.mean.copy_(x.mean(dim=0))
        self.std.copy_(torch.where(std > 1e-6 * x.abs().amax(dim=0), std, 1.0))
