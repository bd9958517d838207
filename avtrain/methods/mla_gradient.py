"""What MLA does to the gradient of its shared head before each step."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from avtrain.methods.base import Moment

Rule = Literal["rls", "as_released"]
Direction = Literal["others", "current"]
Reset = Literal["never", "epoch", "batch"]
Scaling = Literal["none", "frobenius"]


class HeadGradient(nn.Module):
    """grad(W) <- grad(W) P^T, with a P [D, D] made of mean inputs r [D] that the head has had.

    direction: `others`, a P a modality, of the r of all others; `current`, one P, of that of the modality in turn too.
    reset: before each of these P is the identity again.  scaling: of P behind each update.
    P is double precision: it stays semi-definite over thousands of updates, and autocast does not round it.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        rule: Rule = "rls",
        direction: Direction = "others",
        reset: Reset = "epoch",
        scaling: Scaling = "none",
    ) -> None:
        super().__init__()
        self.modalities, self.rule, self.direction = modalities, rule, direction
        self.reset, self.scaling = reset, scaling
        projectors = len(modalities) if direction == "others" else 1
        self.projectors: Tensor
        self.register_buffer("projectors", torch.eye(width, dtype=torch.float64).repeat(projectors, 1, 1))

    def start_batch(self, means: Mapping[str, Tensor], moment: Moment) -> None:
        """Forget what is to be forgotten, and see what this batch brings.

        means: r of each modality that the batch has, [D].
        """
        if self.reset == "batch" or (self.reset == "epoch" and moment.step == 0):
            self.projectors.copy_(torch.eye(self.projectors.shape[-1], device=self.projectors.device))
        if self.direction == "others":
            for index, modality in enumerate(self.modalities):
                for other, mean in means.items():
                    if other != modality:
                        self._take_in(index, mean, moment)

    def modify(self, gradient: Tensor, modality: str, mean: Tensor, moment: Moment) -> Tensor:
        """The gradient of the head's weight, [C, D], as it is used in a modality's step.  mean: its r, [D]."""
        index = self.modalities.index(modality) if self.direction == "others" else 0
        if self.direction == "current":
            self._take_in(index, mean, moment)
        projector = self.projectors[index]
        return (gradient.to(projector.dtype) @ projector.T).to(gradient.dtype)

    def _take_in(self, index: int, mean: Tensor, moment: Moment) -> None:
        update = rls if self.rule == "rls" else as_released
        projector = update(self.projectors[index], mean.to(self.projectors.dtype), ridge(moment))
        if self.scaling == "frobenius":
            projector = projector / projector.norm()
        self.projectors[index] = projector


def ridge(moment: Moment) -> float:
    """alpha = 0.1 ** (1 + step / steps): from 0.1 to 0.01 over each epoch, as released."""
    return float(0.1 ** (1 + moment.step / moment.steps))


def rls(projector: Tensor, mean: Tensor, alpha: float) -> Tensor:
    """P - (P r)(P r)^T / (alpha + r^T P r): recursive least squares.  Symmetric and positive semi-definite if P is.

    From P = I and one r: its own direction is left alpha / (alpha + |r|^2), what is orthogonal to it is left whole.
    """
    k = projector @ mean
    k = k / (alpha + mean @ k).sqrt()
    # k k^T is symmetric to the last bit, so P stays it; one pass over P, which is most of what a turn costs otherwise
    return torch.addr(projector, k, k, alpha=-1)


def as_released(projector: Tensor, mean: Tensor, alpha: float) -> Tensor:
    """P - k k^T / (alpha + k r^T), element by element: there k r^T is an outer product, not a number."""
    k = projector @ mean
    return projector - torch.outer(k, k) / (alpha + torch.outer(k, mean))
