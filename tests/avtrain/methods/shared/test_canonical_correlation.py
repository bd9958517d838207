"""Canonical correlation against its definition in numpy, and the loss of deep CCA against singular values."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh, inv, sqrtm
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.methods.shared.canonical_correlation import canonical_maps, correlation_loss, require_dimensions

TINY_RIDGE = 1e-12


def views(n: int = 200, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return views of 5 and 4 features that share two sources of noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 2))
    x = np.hstack([shared + 0.3 * rng.normal(size=(n, 2)), rng.normal(size=(n, 3))]) @ rng.normal(size=(5, 5))
    y = np.hstack([shared + 0.8 * rng.normal(size=(n, 2)), rng.normal(size=(n, 2))]) @ rng.normal(size=(4, 4))
    return x + 7, y - 3


def tensors(*arrays: NDArray[np.float64]) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]


def test_the_correlations_are_those_of_the_generalised_eigenvalue_problem() -> None:
    x, y = views()
    *_, found = canonical_maps(*tensors(x, y), 4, TINY_RIDGE)
    covariance = np.cov(np.hstack([x, y]).T)
    sxx, sxy, syy = covariance[:5, :5], covariance[:5, 5:], covariance[5:, 5:]
    squares = eigh(sxy @ inv(syy) @ sxy.T, sxx, eigvals_only=True)[::-1][:4]
    np.testing.assert_allclose(found.numpy(), np.sqrt(squares), rtol=1e-6)
    assert found[1] > 0.6  # two shared sources
    assert found[2] < 0.4


def test_canonical_variables_are_correlated_in_pairs_and_with_nothing_else() -> None:
    x, y = views()
    a, b, correlations = canonical_maps(*tensors(x, y), 3, TINY_RIDGE)
    both = np.corrcoef(np.hstack([x @ a.numpy(), y @ b.numpy()]).T)
    np.testing.assert_allclose(both[:3, :3], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(both[3:, 3:], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(both[:3, 3:], np.diag(correlations.numpy()), atol=1e-6)


def test_the_ridge_stands_on_the_diagonals() -> None:
    x, y = views()
    *_, found = canonical_maps(*tensors(x, y), 4, 0.5)
    covariance = np.cov(np.hstack([x, y]).T)
    root_x, root_y = (inv(sqrtm(s + 0.5 * np.eye(len(s)))) for s in (covariance[:5, :5], covariance[5:, 5:]))
    expected = np.linalg.svd(root_x @ covariance[:5, 5:] @ root_y, compute_uv=False)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("dimensions", [1, 2, 4])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_loss_is_minus_the_sum_of_singular_values(dimensions: int, swapped: bool) -> None:
    x, y = views(30)
    covariance = np.cov(np.hstack([x, y]).T)
    root_x, root_y = (inv(sqrtm(s + 0.01 * np.eye(len(s)))) for s in (covariance[:5, :5], covariance[5:, 5:]))
    singular = np.linalg.svd(root_x @ covariance[:5, 5:] @ root_y, compute_uv=False)
    given = tensors(y, x) if swapped else tensors(x, y)
    found = correlation_loss(*given, dimensions, ridge=0.01, inner_ridge=1e-3)
    assert found.item() == pytest.approx(-np.sqrt(np.square(singular) + 1e-3)[:dimensions].sum(), rel=1e-9)


@pytest.mark.parametrize("dimensions", [1, 2, 4])
def test_the_gradient_of_the_loss_is_that_of_finite_differences(dimensions: int) -> None:
    x, y = (v.requires_grad_() for v in tensors(*views(12)))
    assert torch.autograd.gradcheck(lambda a, b: correlation_loss(a, b, dimensions), (x, y))


def test_equal_and_vanishing_correlations_have_a_finite_gradient() -> None:
    x = torch.eye(6, dtype=torch.float64)[:, :2].requires_grad_()
    for y in (x.detach().clone(), torch.zeros(6, 2, dtype=torch.float64)):
        (gradient,) = torch.autograd.grad(correlation_loss(x, y, 2), x)
        assert gradient.isfinite().all()


def test_half_precision_is_computed_in_64_bits() -> None:
    x, y = (v.bfloat16() for v in tensors(*views(30)))
    assert correlation_loss(x, y, 2) == correlation_loss(x.double(), y.double(), 2)


def test_more_variables_than_features_are_refused() -> None:
    with pytest.raises(UsageError, match=r"method\.dimensions=5 is more than the 4 features of the image embedding"):
        require_dimensions(5, {"audio": 6, "image": 4})
    require_dimensions(4, {"audio": 6, "image": 4})
