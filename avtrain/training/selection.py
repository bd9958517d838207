"""The measurements at the end of an epoch: the scores that select the best epoch, and gradient norms."""

from collections.abc import Sequence

import numpy as np
import torch

from avbuild.errors import UserError
from avbuild.progress import Advance
from avtrain.config import FitConfig
from avtrain.data.batch_source import BatchSource
from avtrain.device import Machine
from avtrain.evaluation.metrics import accuracy
from avtrain.evaluation.predict import predict, unimodal_accuracy
from avtrain.methods.base import Method


def score_selection(
    method: Method,
    data: BatchSource,
    scenarios: Sequence[str],
    settings: FitConfig,
    machine: Machine,
    advance: Advance,
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Score a method on the split that selects, under each scenario.

    Args:
        method: in training.
        data: the split that selects.
        scenarios: names of the manifest's scenarios to score under.
        settings: batch size and precision.
        machine: where it is computed.
        advance: called with the number of samples after each scenario.

    Returns:
        Accuracy by scenario, 0 to 1, by whose mean the best epoch is chosen; and by scenario and modality that of each
        modality's own logits, where the method has them.

    Raises:
        UserError: a sample has no finite highest logit.
    """
    scores, unimodal = {}, {}
    for name in scenarios:
        outputs = predict(method, data.under(name), settings.batch_size, machine, settings.precision)
        if not np.isfinite(outputs.logits.max(axis=1)).all():  # some logits may be -inf, not all of a sample
            raise UserError(f"{settings.method}: logits under {name} are not finite; try a lower --lr")
        scores[name] = accuracy(outputs.logits.argmax(axis=1), outputs.labels)
        unimodal[name] = unimodal_accuracy(outputs)
        advance(len(data))
    return scores, unimodal


def pop_mean_gradient_norms(method: Method) -> dict[str, float]:
    """Return the mean gradient norm of each modality's encoder over an epoch, and clear the record."""
    norms = {m: torch.stack(each).mean().item() for m, each in method.gradient_norms.items()}
    method.gradient_norms.clear()
    return norms
