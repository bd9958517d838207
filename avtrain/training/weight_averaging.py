"""The mean of a model's weights over epochs.  Izmailov et al.: Averaging weights leads to wider optima, UAI 2018."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from avtrain.data.batch import Batch


class WeightAverage:
    """Running mean of the trainable weights.

    Attributes:
        count: number of times that weights were added.
        mean: by the name of the weight; empty before the first.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, model: nn.Module) -> None:
        """Add the current weights to the mean."""
        self.count += 1
        for name, weight in _trainable(model):
            mean = self.mean.setdefault(name, torch.zeros_like(weight))
            mean += (weight - mean) / self.count

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Give the model the mean weights inside a block; before the first `add` nothing changes.

        Afterwards the model has its own weights again, and the statistics of its batch norms from before the block.
        """
        weights = {name: weight.detach().clone() for name, weight in _trainable(model) if name in self.mean}
        statistics = [(buffer, buffer.clone()) for norm in _batch_norms(model) for buffer in norm.buffers()]
        _assign(model, self.mean)
        try:
            yield
        finally:
            _assign(model, weights)
            for buffer, value in statistics:
                buffer.copy_(value)

    def state(self) -> dict[str, object]:
        """Return the arguments of `restore`, without the device."""
        return {"count": self.count, "mean": dict(self.mean)}

    def restore(self, count: int, mean: Mapping[str, Tensor], device: torch.device) -> None:
        """Continue from a saved state.

        Args:
            count: number of times that weights were added.
            mean: by the name of the weight.
            device: of the model.
        """
        self.count, self.mean = count, {name: value.to(device) for name, value in mean.items()}


@torch.no_grad()
def update_batch_norm(model: nn.Module, batches: Iterable[Batch]) -> None:
    """Compute the statistics of trainable batch norms anew, for averaged weights, which have seen no data.

    Izmailov et al., section 3.3.  The statistics become the plain mean over the batches.

    Args:
        model: in train mode afterwards.
        batches: of the training data; not read where the model has no such norm.
    """
    model.train()
    momenta = [(norm, norm.momentum) for norm in _batch_norms(model) if norm.training]
    if not momenta:
        return
    for norm, _ in momenta:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch then takes the plain mean
    for batch in batches:
        model(batch)
    for norm, momentum in momenta:
        norm.momentum = momentum


def _batch_norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


@torch.no_grad()
def _assign(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, weight in _trainable(model):
        if name in values:
            weight.copy_(values[name])
