"""A backbone small enough to follow by hand, with any modalities, for tests of methods on unimodal features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avtrain.backbones.base import Backbone, Encoder
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.registry import build_method

WIDTH, INPUTS, CLASSES = 6, 4, 3


class ToyEncoder(Encoder):
    """One linear map from [B, 2, INPUTS] to [B, 2, WIDTH]."""

    width = pooled_width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(INPUTS, WIDTH)

    def embed(self, inputs: Tensor) -> Tensor:
        tokens: Tensor = self.map(inputs)
        return tokens

    def blocks(self) -> list[nn.Module]:
        return []

    def last_norm(self, tokens: Tensor) -> Tensor:
        return tokens


class ToyBackbone(Backbone):
    """One `ToyEncoder` per modality."""

    width = WIDTH

    def __init__(self, modalities: Sequence[str] = ("audio", "image")) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        for modality in modalities:
            setattr(self, f"{modality}_encoder", ToyEncoder())


def toy_method(name: str, modalities: Sequence[str] = ("audio", "image"), seed: int = 0, **options: object) -> Method:
    """Return a method on a toy backbone, in double precision."""
    torch.manual_seed(seed)
    return build_method(name, options, ToyBackbone(modalities), CLASSES, 1).double()


def toy_batch(n: int = 8, modalities: Sequence[str] = ("audio", "image"), seed: int = 0) -> Batch:
    """Return a batch of samples that have every modality."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        inputs={m: torch.randn(n, 2, INPUTS, generator=generator, dtype=torch.float64) for m in modalities},
        present={m: torch.ones(n, dtype=torch.bool) for m in modalities},
        labels=torch.arange(n) % CLASSES,
        scenario=torch.zeros(n, dtype=torch.int64),
        ids=tuple(f"clip{i}" for i in range(n)),
    )


def sgd(method: Method, lr: float = 0.1, momentum: float = 0.9, weight_decay: float = 1e-2) -> torch.optim.SGD:
    """Return the optimizer that the training loop uses, with a larger weight decay."""
    return torch.optim.SGD(method.parameter_groups(lr), momentum=momentum, weight_decay=weight_decay)


def train(method: Method, batch: Batch, optimizer: torch.optim.Optimizer, steps: int = 2) -> list[Tensor]:
    """Train for one epoch of `steps` steps on one batch, and return the losses."""
    losses = []
    for step in range(steps):
        method.progress = TrainingProgress(1, 1, step, steps)
        losses.append(method.training_step(batch, optimizer))
    return losses


def fitted_to(method: Method, batch: Batch) -> Method:
    """Compute what training computes of its whole split before the first step and after an epoch, and return it."""
    method.eval()
    method.begin_training([batch])
    method.end_epoch([batch])
    return method
