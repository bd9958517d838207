"""The matrix P [D, D] that MLA computes from mean inputs r [D] of the head, in double precision."""

from typing import Literal

import torch
from torch import Tensor, nn

Rule = Literal["rls", "as_released"]


class Projector(nn.Module):
    """P as a matrix, the identity at first.

    Attributes:
        rule: formula of an update, `rls` or `as_released`.
        scaled: whether P is divided by its Frobenius norm after each update.
    """

    def __init__(self, width: int, rule: Rule, scaled: bool) -> None:
        super().__init__()
        self.rule, self.scaled = rls if rule == "rls" else as_released, scaled
        self.matrix: Tensor
        self.register_buffer("matrix", torch.eye(width, dtype=torch.float64))

    def reset(self) -> None:
        """Set P to the identity."""
        self.matrix.copy_(torch.eye(len(self.matrix)))

    def update(self, mean: Tensor, alpha: float) -> None:
        """Update P with one r.

        Args:
            mean: r, [D].
            alpha: ridge, above 0.
        """
        updated = self.rule(self.matrix, mean.to(self.matrix.dtype), alpha)
        self.matrix.copy_(updated / updated.norm() if self.scaled else updated)

    def project(self, rows: Tensor) -> Tensor:
        """Return rows P^T.  [..., D] to [..., D]."""
        return rows.to(self.matrix.dtype) @ self.matrix.T


class RlsProjector(nn.Module):
    """P of the rule `rls` as B - K^T K, where each update adds a row to K and B is the identity at first.

    Most steps of an epoch then read the few rows of K instead of D x D numbers, which took as long as the rest of a
    step on frozen features.  K is folded into B when it has D / 4 rows, and before a checkpoint is written.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.matrix: Tensor  # B
        self.rows: Tensor  # K, with space for further rows
        self.register_buffer("matrix", torch.eye(width, dtype=torch.float64))
        self.register_buffer("rows", torch.empty(max(1, width // 4), width, dtype=torch.float64), persistent=False)
        self.count, self.is_identity = 0, True  # number of rows of K; whether B is the identity
        self.register_state_dict_pre_hook(_fold)  # type: ignore[no-untyped-call]  # torch has no types there
        self.register_load_state_dict_post_hook(_use_loaded)  # type: ignore[no-untyped-call]  # nor there

    def reset(self) -> None:
        """Set P to the identity."""
        if not self.is_identity:
            self.matrix.copy_(torch.eye(len(self.matrix)))
        self.count, self.is_identity = 0, True

    def update(self, mean: Tensor, alpha: float) -> None:
        """Update P with one r: the new row of K is P r / sqrt(alpha + r^T P r), as in `rls`.

        Args:
            mean: r, [D].
            alpha: ridge, above 0.
        """
        mean = mean.to(self.matrix.dtype)
        k = self.project(mean)
        if self.count == len(self.rows):
            self.fold()
        self.rows[self.count] = k / (alpha + mean @ k).sqrt()
        self.count += 1

    def project(self, rows: Tensor) -> Tensor:
        """Return rows P^T.  [..., D] to [..., D]."""
        rows, k = rows.to(self.matrix.dtype), self.rows[: self.count]
        return (rows if self.is_identity else rows @ self.matrix) - (rows @ k.T) @ k

    def fold(self) -> None:
        """Subtract K^T K from B and empty K; B stays exactly symmetric."""
        if self.count:
            k = self.rows[: self.count]
            matrix = self.matrix - k.T @ k
            self.matrix.copy_((matrix + matrix.T) / 2)
            self.count, self.is_identity = 0, False


def _fold(projector: RlsProjector, *_: object) -> None:
    projector.fold()


def _use_loaded(projector: RlsProjector, _: object) -> None:
    projector.count, projector.is_identity = 0, False  # B is that of the checkpoint


def rls(projector: Tensor, mean: Tensor, alpha: float) -> Tensor:
    """Compute P - (P r)(P r)^T / (alpha + r^T P r), the update of recursive least squares.

    The result is symmetric and positive semi-definite if P is.  From P = I and one r, the direction of r is scaled by
    alpha / (alpha + |r|^2), and directions orthogonal to it are unchanged.

    Args:
        projector: P, [D, D].
        mean: r, [D].
        alpha: ridge, above 0.

    Returns:
        [D, D].
    """
    k = projector @ mean
    k = k / (alpha + mean @ k).sqrt()
    return torch.addr(projector, k, k, alpha=-1)  # k k^T is exactly symmetric, so P stays so


def as_released(projector: Tensor, mean: Tensor, alpha: float) -> Tensor:
    """Compute the update of the released code, P - k k^T / (alpha + k r^T) element by element with k = P r.

    There k r^T is an outer product, [D, D], where recursive least squares has the number r^T k.  Arguments: see `rls`.
    """
    k = projector @ mean
    return projector - torch.outer(k, k) / (alpha + torch.outer(k, mean))
