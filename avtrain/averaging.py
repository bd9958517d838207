"""The mean of a model's weights over epochs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Running mean of the trained weights.  Izmailov et al.: Averaging weights leads to wider optima, UAI 2018."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, model: nn.Module) -> None:
        """Take in the weights as they are now."""
        self.count += 1
        for name, weight in _trained(model):
            mean = self.mean.setdefault(name, torch.zeros_like(weight))
            mean += (weight - mean) / self.count

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model has the mean inside, and its own weights again behind; without any added, its own throughout."""
        own = {name: weight.detach().clone() for name, weight in _trained(model) if name in self.mean}
        _assign(model, self.mean)
        try:
            yield
        finally:
            _assign(model, own)

    def state(self) -> dict[str, object]:
        """What `restore` takes."""
        return {"count": self.count, "mean": dict(self.mean)}

    def restore(self, count: int, mean: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from a state."""
        self.count, self.mean = count, {name: value.to(device) for name, value in mean.items()}


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


@torch.no_grad()
def _assign(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, weight in _trained(model):
        if name in values:
            weight.copy_(values[name])
