"""Fitting the temperatures of a trained method on the validation split."""

from collections.abc import Callable, Sequence

import numpy as np

from avtrain.data.batch_source import BatchSource
from avtrain.device import Machine
from avtrain.evaluation.calibration import Calibration, ModeCalibration, as_tensors
from avtrain.evaluation.evaluate import inference_modes
from avtrain.evaluation.predict import Outputs, predict
from avtrain.evaluation.sample_temperature import fit_signals, signals_of
from avtrain.evaluation.temperature import fit_temperature
from avtrain.methods.base import Method


def calibrate(
    method: Method,
    data: BatchSource,
    scenarios: Sequence[str],
    batch_size: int,
    machine: Machine,
    precision: str,
    advance: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Fit the temperatures of each inference mode: one over all scenarios, and one that depends on the sample.

    Args:
        method: trained, with the weights of its best epoch.
        data: the validation split.
        scenarios: that the method was trained under; each has the same weight.
        batch_size: number of samples in a batch.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        advance: called with the number of samples after each scenario and mode.
    """
    trained_with, modes = method.inference, []
    for inference in inference_modes(method, scenario_known=True):
        method.inference = inference
        parts = []
        for name in scenarios:
            parts.append(predict(method, data.under(name), batch_size, machine, precision))
            advance(len(data))
        modes.append(fit_mode(parts, inference))
    method.inference = trained_with
    return Calibration(scenarios=tuple(scenarios), samples=len(data), modes=tuple(modes))


def fit_mode(parts: Sequence[Outputs], inference: str | None) -> ModeCalibration:
    """Fit the temperatures of one inference mode.

    Args:
        parts: predictions for the validation split under each scenario.
        inference: mode; None for a method without inference modes.
    """
    logits = np.concatenate([part.logits for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    found = fit_temperature(logits, labels)
    values = [signals_of(*as_tensors(part), found.value) for part in parts]
    joined = {name: np.concatenate([each[name].numpy() for each in values]) for name in values[0]}
    signals = () if found.notices else fit_signals(logits, labels, joined, found.value)
    return ModeCalibration(inference=inference, temperature=found.value, signals=signals, notices=found.notices)
