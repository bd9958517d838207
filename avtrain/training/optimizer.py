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
    # fused: a third of the time of small methods on a CPU goes into the loop over their tensors otherwise
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=True)


def schedule(step: int, steps: int, warmup: float, decay_at: float | None = None) -> float:
    """Return the factor of the learning rate: a linear rise to 1, then half a cosine to 0, or one step to a tenth.

    Args:
        step: from 0, counted over all epochs.
        steps: number of all steps.
        warmup: fraction of the steps over which the factor rises, from 0 to below 1.
        decay_at: fraction of the steps after which the factor is a tenth; None: half a cosine instead.
    """
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    if decay_at is not None:
        return 1.0 if step < round(decay_at * steps) else 0.1
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))
