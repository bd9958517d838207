"""The two losses of CPM-Net's latents, and the decoders from a latent to every view."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from avtrain.methods.shared.fitted import Fitted


class Decoders(Fitted):
    """An affine map from a latent to each view; with a hidden layer it is a product of two, without an activation.

    Attributes:
        depth: number of layers, 1 or 2.
    """

    def __init__(self, widths: Mapping[str, int], latent: int, hidden: int) -> None:
        """Build the decoders.

        Args:
            widths: modality -> D_m, of the view.
            latent: d.
            hidden: width of the hidden layer; 0: there is none.
        """
        super().__init__()
        self.depth = 2 if hidden else 1
        for m, width in widths.items():
            sizes = [latent, *([hidden] if hidden else []), width]
            for layer, (before, after) in enumerate(pairwise(sizes)):
                self.register_buffer(f"{m}_weight{layer}", torch.randn(after, before) / before**0.5)
                self.register_buffer(f"{m}_bias{layer}", torch.zeros(after))

    def weights(self) -> dict[str, Tensor]:
        """Return copies of all weights that gradients can be taken by."""
        return {name: value.clone().requires_grad_() for name, value in self.named_buffers()}

    def affine(
        self, modality: str, weights: Mapping[str, Tensor], keep: float = 1.0, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return A, [D_m, d], and b, [D_m], of the map A h + b.

        Args:
            modality: of the view.
            weights: all of them, by `weights` or `named_buffers`.
            keep: probability by which a hidden unit is kept, one draw for all samples; divides the units kept.
            generator: of that draw; None: PyTorch's own.
        """
        a, b = weights[f"{modality}_weight0"], weights[f"{modality}_bias0"]
        if self.depth == 2:
            drawn = torch.rand(len(b), generator=generator)
            kept = (drawn < keep).to(b) / keep if keep < 1 else torch.ones_like(b)
            second = weights[f"{modality}_weight1"] * kept
            a, b = second @ a, second @ b + weights[f"{modality}_bias1"]
        return a, b


def reconstruction_loss(
    h: Tensor, x: Mapping[str, Tensor], present: Mapping[str, Tensor], maps: Mapping[str, tuple[Tensor, Tensor]]
) -> Tensor:
    """Compute sum_m |A_m h + b_m - x_m|^2 over the views that the samples have, summed over the samples.

    Args:
        h: [N, d].
        x: modality -> [N, D_m].
        present: modality -> bool [N].
        maps: modality -> (A_m, b_m), by `Decoders.affine`.
    """
    errors = [((h @ a.T + b - x[m]).square().sum(dim=1)).where(present[m], 0.0).sum() for m, (a, b) in maps.items()]
    return torch.stack(errors).sum()


def class_scores(h: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Compute the mean inner product of each sample with the members of each class, without the sample itself.

    Args:
        h: [N, d].
        labels: int64 [N].
        classes: C.

    Returns:
        [N, C]; -inf for a class without samples, and 0 for that of a sample that is its only member.
    """
    members = one_hot(labels, classes).to(h.dtype)  # [N, C]
    sums = h @ (members.T @ h).T - members * h.square().sum(dim=1, keepdim=True)
    scores: Tensor = sums / (members.sum(dim=0) - members).clamp(min=1)
    return scores.masked_fill(members.sum(dim=0) == 0, -torch.inf)


def classification_loss(h: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Compute sum_i max(0, [c* != y_i] + F(i, c*) - F(i, y_i)) with F by `class_scores` and c* = argmax_c F(i, c).

    Args:
        h: [N, d].
        labels: int64 [N].
        classes: C.
    """
    scores = class_scores(h, labels, classes)
    best, assigned = scores.max(dim=1)
    own = scores.gather(1, labels[:, None])[:, 0]
    return ((assigned != labels).to(h.dtype) + best - own).relu().sum()


def class_means(h: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the mean latent of each class, [C, d]; zeros for a class without samples.  h: [N, d]; labels: [N]."""
    members = one_hot(labels, classes).to(h.dtype)
    return (members.T @ h) / members.sum(dim=0).clamp(min=1)[:, None]
