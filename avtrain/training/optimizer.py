"""What moves the weights, and how fast."""

import math

import torch

from avtrain.config import FitConfig
from avtrain.methods.base import Method

MOMENTUM = 0.9  # of stochastic gradient descent


def make_optimizer(method: Method, settings: FitConfig) -> torch.optim.Optimizer:
    """AdamW, or stochastic gradient descent with momentum, for what the method trains."""
    groups = method.parameter_groups(settings.lr)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: a straight rise, then half a cosine to zero."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))
