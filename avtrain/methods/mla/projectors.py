"""P [D, D], what MLA makes of the head's mean inputs r [D]; in double precision."""

from typing import Literal

import torch
from torch import Tensor, nn

Rule = Literal["rls", "as_released"]


class Projector(nn.Module):
    """P itself, the identity at first.  scaled: divided by its Frobenius norm behind each update."""

    def __init__(self, width: int, rule: Rule, scaled: bool) -> None:
        super().__init__()
        self.rule, self.scaled = rls if rule == "rls" else as_released, scaled
        self.matrix: Tensor
        self.register_buffer("matrix", torch.eye(width, dtype=torch.float64))

    def reset(self) -> None:
        """The identity again."""
        self.matrix.copy_(torch.eye(len(self.matrix)))

    def update(self, mean: Tensor, alpha: float) -> None:
        """One r, [D]."""
        updated = self.rule(self.matrix, mean.to(self.matrix.dtype), alpha)
        self.matrix.copy_(updated / updated.norm() if self.scaled else updated)

    def project(self, rows: Tensor) -> Tensor:
        """rows P^T.  [..., D]"""
        return rows.to(self.matrix.dtype) @ self.matrix.T


class RlsProjector(nn.Module):
    """P of `rls` as B - K^T K: a row k of K an update, B the identity at first.

    Most steps of an epoch so read the few rows that there are, and not D x D numbers, which took as long as the rest of
    a step on frozen features.  K is made part of B when it has D / 4 rows, and before a checkpoint is written.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.matrix: Tensor  # B
        self.rows: Tensor  # K, and room for more
        self.register_buffer("matrix", torch.eye(width, dtype=torch.float64))
        self.register_buffer("rows", torch.empty(max(1, width // 4), width, dtype=torch.float64), persistent=False)
        self.count, self.is_identity = 0, True  # rows of K; and B
        self.register_state_dict_pre_hook(_fold)  # type: ignore[no-untyped-call]  # torch has no types there
        self.register_load_state_dict_post_hook(_loaded)  # type: ignore[no-untyped-call]  # nor there

    def reset(self) -> None:
        """The identity again."""
        if not self.is_identity:
            self.matrix.copy_(torch.eye(len(self.matrix)))
        self.count, self.is_identity = 0, True

    def update(self, mean: Tensor, alpha: float) -> None:
        """One r, [D]: as `rls` does, k = P r / sqrt(alpha + r^T P r)."""
        mean = mean.to(self.matrix.dtype)
        k = self.project(mean)
        if self.count == len(self.rows):
            self.fold()
        self.rows[self.count] = k / (alpha + mean @ k).sqrt()
        self.count += 1

    def project(self, rows: Tensor) -> Tensor:
        """rows P^T.  [..., D]"""
        rows, k = rows.to(self.matrix.dtype), self.rows[: self.count]
        return (rows if self.is_identity else rows @ self.matrix) - (rows @ k.T) @ k

    def fold(self) -> None:
        """Make K part of B, which stays symmetric to the last bit."""
        if self.count:
            k = self.rows[: self.count]
            matrix = self.matrix - k.T @ k
            self.matrix.copy_((matrix + matrix.T) / 2)
            self.count, self.is_identity = 0, False


def _fold(projector: RlsProjector, *_: object) -> None:
    projector.fold()


def _loaded(projector: RlsProjector, _: object) -> None:
    projector.count, projector.is_identity = 0, False  # B is the checkpoint's


def rls(projector: Tensor, mean: Tensor, alpha: float) -> Tensor:
    """P - (P r)(P r)^T / (alpha + r^T P r): recursive least squares.  Symmetric and positive semi-definite if P is.

    From P = I and one r: its own direction is left alpha / (alpha + |r|^2), what is orthogonal to it is left whole.
    """
    k = projector @ mean
    k = k / (alpha + mean @ k).sqrt()
    return torch.addr(projector, k, k, alpha=-1)  # k k^T is symmetric to the last bit, so P stays it


def as_released(projector: Tensor, mean: Tensor, alpha: float) -> Tensor:
    """P - k k^T / (alpha + k r^T), element by element: there k r^T is an outer product, not a number."""
    k = projector @ mean
    return projector - torch.outer(k, k) / (alpha + torch.outer(k, mean))
