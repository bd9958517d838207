"""The swap test: samples of one scenario, scored with the prompts of every other."""

from collections.abc import Sequence

import numpy as np

from avtrain.data.batch_source import BatchSource
from avtrain.device import Machine
from avtrain.evaluation.metrics import accuracy
from avtrain.evaluation.predict import Outputs, predict
from avtrain.methods.base import Method


def swap_test(
    method: Method, data: BatchSource, scenarios: Sequence[str], batch_size: int, machine: Machine, precision: str
) -> dict[str, float]:
    """Return the accuracy with the prompts of each scenario, by the name of that scenario.

    Prompts that know their scenario are better on it than those of others.

    Args:
        method: with prompts for each scenario.
        data: the split under one scenario.
        scenarios: names, in the order of the method's sets.
        batch_size: number of samples in a batch.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
    """
    found = {}
    try:
        for index, name in enumerate(scenarios):
            method.forced_set = index
            outputs = predict(method, data, batch_size, machine, precision)
            found[name] = accuracy(outputs.logits.argmax(axis=1), outputs.labels)
    finally:
        method.forced_set = None
    return found


def router_accuracy(outputs: Outputs, scenario: int) -> float | None:
    """Return the share of samples for which the router gives most weight to the set of the true scenario.

    Args:
        outputs: of a method; None is returned for one without a router.
        scenario: index of the true scenario.
    """
    return None if outputs.choice is None else float(np.mean(outputs.choice.argmax(axis=1) == scenario))
