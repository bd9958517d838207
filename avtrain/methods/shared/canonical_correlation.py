"""Canonical correlation of two views: the linear maps that find it, and its value for what networks have made."""

import torch
from torch import Tensor

from avbuild.errors import UsageError


def canonical_maps(x: Tensor, y: Tensor, dimensions: int, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """Find the linear maps of two views whose outputs are most correlated, by one singular value decomposition.

    Hotelling: Relations between two sets of variates, Biometrika 1936.  With S_xx = X^T X / (N - 1) + ridge I of the
    centred views, and T = S_xx^-1/2 S_xy S_yy^-1/2 = U diag(r) V^T,

        A = S_xx^-1/2 U_k,    B = S_yy^-1/2 V_k,    correlations r_1 >= ... >= r_k.

    Args:
        x: [N, D].
        y: [N, E].
        dimensions: k, at most D and E.
        ridge: added to the diagonals, above 0.

    Returns:
        A, [D, k], B, [E, k], and r, [k], in float64.
    """
    (root_x, root_y), cross = _roots_and_cross(x.double(), y.double(), ridge)
    u, correlations, vt = torch.linalg.svd(root_x @ cross @ root_y, full_matrices=False)
    return root_x @ u[:, :dimensions], root_y @ vt[:dimensions].T, correlations[:dimensions]


def correlation_loss(x: Tensor, y: Tensor, dimensions: int, ridge: float = 1e-3, inner_ridge: float = 1e-3) -> Tensor:
    """Compute minus the total correlation of two views, as deep CCA minimises it.

        - sum of the k largest sqrt(eig(T^T T + inner_ridge I))

    T as in `canonical_maps`, here by Cholesky factors S = L L^T: L_x^-1 S_xy L_y^-T has the same singular values, and a
    gradient where eigenvalues of S are equal too.

    Args:
        x: [N, D], N from 2.
        y: [N, E].
        dimensions: k, at most D and E.
        ridge: added to the diagonals of S_xx and S_yy.
        inner_ridge: keeps the root away from 0.
    """
    x, y = (v.double() - v.double().mean(dim=0) for v in (x, y))
    lower_x, lower_y = (torch.linalg.cholesky(_covariance(v, ridge)) for v in (x, y))
    half = torch.linalg.solve_triangular(lower_x, x.T @ y / (len(x) - 1), upper=False)
    t = torch.linalg.solve_triangular(lower_y, half.T, upper=False)
    square = t.T @ t if t.shape[0] >= t.shape[1] else t @ t.T
    eye = torch.eye(len(square), dtype=square.dtype, device=square.device)
    eigenvalues = torch.linalg.eigvalsh(square + inner_ridge * eye).clamp(min=1e-9)
    total: Tensor = eigenvalues[-dimensions:].sqrt().sum()
    return -total


def require_dimensions(dimensions: int, widths: dict[str, int]) -> None:
    """Refuse more canonical variables than the narrowest embedding has features.

    Raises:
        UsageError: names the embedding.
    """
    narrow = min(widths, key=lambda m: widths[m])
    if dimensions > widths[narrow]:
        raise UsageError(
            f"method.dimensions={dimensions} is more than the {widths[narrow]} features of the {narrow} embedding"
        )


def _roots_and_cross(x: Tensor, y: Tensor, ridge: float) -> tuple[tuple[Tensor, Tensor], Tensor]:
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    cross = x.T @ y / (len(x) - 1)
    return (_inverse_root(_covariance(x, ridge)), _inverse_root(_covariance(y, ridge))), cross


def _covariance(centred: Tensor, ridge: float) -> Tensor:
    eye = torch.eye(centred.shape[1], dtype=centred.dtype, device=centred.device)
    return centred.T @ centred / (len(centred) - 1) + ridge * eye


def _inverse_root(matrix: Tensor) -> Tensor:
    """Return the inverse square root of a positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    return root
