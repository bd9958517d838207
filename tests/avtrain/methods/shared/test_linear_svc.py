"""The support vector classifier against its objective, minimised by another algorithm."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from avtrain.methods.shared.linear_svc import LinearSVC, hyperplane


def objective(w: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], cost: float) -> float:
    """Return |w|^2 / 2 + C sum max(0, 1 - y w x)^2, the bias being the weight of a 1, as in LIBLINEAR."""
    return float(0.5 * w @ w + cost * np.square(np.maximum(0, 1 - y * (x @ w))).sum())


@given(seed=st.integers(0, 1000), n=st.integers(1, 40), width=st.integers(1, 6), cost=st.sampled_from([1e-3, 0.01, 10]))
def test_it_is_the_minimum(seed: int, n: int, width: int, cost: float) -> None:
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(n, width)) * 3 + 1, rng.integers(0, 3, n)
    svc = LinearSVC(width, 3).double()
    svc.fit(torch.from_numpy(x), torch.from_numpy(labels), cost)
    extended = np.hstack([x, np.ones((n, 1))])
    for label in range(3):
        y = np.where(labels == label, 1.0, -1.0)
        found = np.append(svc.weight[label].numpy(), svc.bias[label].item())
        best = minimize(objective, np.zeros(width + 1), (extended, y, cost), options={"gtol": 1e-9})
        assert objective(found, extended, y, cost) <= best.fun * (1 + 1e-9)
        np.testing.assert_allclose(found, best.x, rtol=1e-3, atol=1e-4)


def test_its_gradient_is_zero_to_the_last_digits() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 40, generator=generator, dtype=torch.float64) * 10
    y = torch.where(x[:, 0] + torch.randn(300, generator=generator) > 0, 1.0, -1.0).double()
    w = hyperplane(x, y, 10.0).requires_grad_()
    loss = 0.5 * w @ w + 10.0 * (1 - y * (x @ w)).clamp(min=0).square().sum()
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.abs().max() < 1e-7 * x.abs().sum()


def test_one_sample_a_side_is_solved_by_hand() -> None:
    # w and b minimise (w^2 + b^2) / 2 + C sum (1 - y (w x + b))^2 over x = 1, -1: b = 0 and w = 4 C / (1 + 4 C)
    svc = LinearSVC(1, 2).double()
    svc.fit(torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([1, 0]), 0.5)
    assert svc.weight[:, 0].tolist() == pytest.approx([-2 / 3, 2 / 3])
    assert svc.bias.tolist() == pytest.approx([0, 0])
    assert svc(torch.tensor([[3.0]]).double()).tolist()[0] == pytest.approx([-2, 2])


def test_a_class_without_samples_is_never_chosen() -> None:
    x = torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    svc = LinearSVC(4, 3).double()
    svc.fit(x, torch.arange(30) % 2, 0.01)
    assert 2 not in svc(x).argmax(dim=1).tolist()
