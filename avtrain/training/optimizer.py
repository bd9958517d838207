"""The optimizer and the schedule of the learning rate."""

import math

import torch

from avtrain.config import FitConfig
from avtrain.methods.base import Method

MOMENTUM = 0.9  # of SGD


def make_optimizer(method: Method, settings: FitConfig) -> torch.optim.Optimizer:
    """Build the optimizer of a run, AdamW or SGD with momentum, over the method's trainable parameters."""
    groups = method.parameter_groups(settings.lr)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Return the factor of the learning rate: a linear rise to 1, then half a cosine to 0.

    Args:
        step: from 0, counted over all epochs.
        steps: number of all steps.
        warmup: fraction of the steps over which the factor rises, from 0 to below 1.
    """
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))
