"""A linear support vector classifier, fitted to a whole training split."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from avtrain.methods.shared.fitted import Fitted

MOST_STEPS = 100  # of Newton's method, which needs about ten


class LinearSVC(Fitted):
    """One hyperplane for each class against all others, with the squared hinge loss.

    Fan et al.: LIBLINEAR, JMLR 2008; as `LinearSVC(C, dual=False)` of scikit-learn.  For each class, with y = 1 for its
    samples and -1 for all others, and with x extended by a 1 whose weight is the bias, it minimises

        |w|^2 / 2 + C sum_i max(0, 1 - y_i w x_i)^2

    The logits are the distances w x, as scikit-learn's `decision_function` has them; they are no log-probabilities.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(classes, width))
        self.register_buffer("bias", torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the distances, [B, C].  x: [B, D]."""
        return linear(x, self.weight, self.bias)

    @torch.no_grad()
    def fit(self, x: Tensor, labels: Tensor, cost: float) -> None:
        """Compute the hyperplanes.

        Args:
            x: [N, D].
            labels: int64 [N].
            cost: C, above 0.
        """
        extended = torch.cat([x.double(), x.new_ones(len(x), 1, dtype=torch.float64)], dim=1)
        for label in range(len(self.bias)):
            w = hyperplane(extended, torch.where(labels == label, 1.0, -1.0).double(), cost)
            self.weight[label], self.bias[label] = w[:-1], w[-1]


def hyperplane(x: Tensor, y: Tensor, cost: float) -> Tensor:
    """Minimise |w|^2 / 2 + C sum_i max(0, 1 - y_i w x_i)^2 by Newton's method, to the precision of 64 bits.

    Args:
        x: float64 [N, D].
        y: float64 [N], 1 or -1.
        cost: C, above 0.

    Returns:
        w, float64 [D].
    """
    w = x.new_zeros(x.shape[1])
    value, gradient, slack = _objective(w, x, y, cost)
    for _ in range(MOST_STEPS):
        inside = x[slack > 0]
        hessian = 2 * cost * inside.T @ inside + torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        step = torch.linalg.solve(hessian, gradient)
        slope, size = float(gradient @ step), 1.0
        if slope <= 1e-14 * (1 + abs(value)):
            break
        while (found := _objective(w - size * step, x, y, cost))[0] > value - 0.25 * size * slope and size > 1e-8:
            size /= 2
        w = w - size * step
        value, gradient, slack = found
    return w


def _objective(w: Tensor, x: Tensor, y: Tensor, cost: float) -> tuple[float, Tensor, Tensor]:
    """Return the value, the gradient [D] and the slack 1 - y w x [N]."""
    slack = 1 - y * (x @ w)
    violated = slack.clamp(min=0)
    value = 0.5 * (w @ w) + cost * violated.square().sum()
    return float(value), w - 2 * cost * (x.T @ (y * violated)), slack
