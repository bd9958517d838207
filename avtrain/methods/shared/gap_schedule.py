"""The schedules of LFM that its repository trains with: how a step weighs the labels against the matching."""

import math

import torch
from torch import Tensor, nn

# a_label = sum of c_k t^k, with t the epoch from 0
FITTED = (0.204623704, 3.35472727e-3, 1.22989557e-4, -2.92947416e-6, 2.23835486e-8, -5.39717505e-11)
FITTED_EPOCHS = 200
LIMITS = (0.05, 0.95)  # of a learned weight
HELD_OUT = 8  # samples that the learned weight is judged on
HALVED_EVERY = 20  # epochs, of the learning rate of the learned weight


def fitted_label_weight(epoch: int) -> float:
    """Return the weight of the labels by the fitted polynomial.  epoch: 1 to 200, for which it was made."""
    return math.fsum(c * (epoch - 1) ** k for k, c in enumerate(FITTED))


def limited(weight: float) -> float:
    """Return a learned weight within its limits."""
    return min(max(weight, LIMITS[0]), LIMITS[1])


def learning_rate(start: float, epoch: int) -> float:
    """Return the learning rate of the learned weight, halved every 20 epochs.  epoch: from 1."""
    return start * 0.5 ** ((epoch - 1) // HALVED_EVERY)


def mean_hessian_product(loss: Tensor, label_loss: Tensor, weights: list[nn.Parameter]) -> float:
    """Compute the mean of grad(grad L . grad L_label) over the first weight tensor, by which the released code steps.

    Args:
        loss: L, a scalar.
        label_loss: L_label, a scalar of the same forward pass.
        weights: all trained weights; the first one is differentiated by twice.
    """
    first = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    second = torch.autograd.grad(label_loss, weights, create_graph=True, allow_unused=True)
    product = sum((g * v).sum() for g, v in zip(first, second, strict=True) if g is not None and v is not None)
    (found,) = torch.autograd.grad(product, weights[:1], allow_unused=True)  # type: ignore[arg-type]
    return 0.0 if found is None else float(found.mean())
