"""The mean of a model's weights over epochs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from avtrain.data.batch import Batch


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
        """The model has the mean inside, and its own weights again behind; without any added, its own throughout.

        What batch norm learns inside is forgotten too.
        """
        own = {name: weight.detach().clone() for name, weight in _trained(model) if name in self.mean}
        statistics = [(buffer, buffer.clone()) for norm in _norms(model) for buffer in norm.buffers()]
        _assign(model, self.mean)
        try:
            yield
        finally:
            _assign(model, own)
            for buffer, value in statistics:
                buffer.copy_(value)

    def state(self) -> dict[str, object]:
        """What `restore` takes."""
        return {"count": self.count, "mean": dict(self.mean)}

    def restore(self, count: int, mean: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from a state."""
        self.count, self.mean = count, {name: value.to(device) for name, value in mean.items()}


@torch.no_grad()
def update_batch_norm(model: nn.Module, batches: Iterable[Batch]) -> None:
    """Batch norms that are trained learn anew what the data are like, under the weights as they now are.

    For those of an average they have never seen any; Izmailov et al., section 3.3.  Theirs becomes the plain mean over
    the batches; without such norms no batch is asked for.
    """
    model.train()
    momenta = [(norm, norm.momentum) for norm in _norms(model) if norm.training]
    if not momenta:
        return
    for norm, _ in momenta:
        norm.reset_running_stats()
        norm.momentum = None  # which means just that
    for batch in batches:
        model(batch)
    for norm, momentum in momenta:
        norm.momentum = momentum


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


@torch.no_grad()
def _assign(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, weight in _trained(model):
        if name in values:
            weight.copy_(values[name])
