"""The samples of a split that a run classifies worst under one scenario, with their signals, for `avtrain errors`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from avbuild.dataset.splits import Split
from avbuild.errors import UsageError, UserError, nearest
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.progress import progress_bar
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import condition as draws_of
from avbuild.scenarios.plan import plan_sample
from avtrain.config import RunConfig
from avtrain.data.dataset import MultimodalData
from avtrain.data.samples import Rows, Sample
from avtrain.data.shards import content_of, read_rows
from avtrain.device import Machine
from avtrain.evaluation.calibration import calibrated, pick_temperature
from avtrain.evaluation.conditions import EvalCondition, EvalRequest, conditions_to_test, manifest_under_test
from avtrain.evaluation.evaluate import ORACLE, inference_modes, load_method
from avtrain.evaluation.predict import Outputs, predict
from avtrain.evaluation.predictions import read_predictions
from avtrain.methods.registry import find_method
from avtrain.runs.folder import Run

ROUTER = "router"
SEVERITY = re.compile(r"(.+)-severity([1-5])")


@dataclass(frozen=True)
class WorstSample:
    """A sample that is classified badly.

    Attributes:
        id: of the sample.
        group: its recording or speaker.
        fold: of the source corpus.
        label: name of the true class.
        predicted: name of the most likely class.
        loss: cross-entropy, -log of the probability of the true class.
        probabilities: class -> probability, the most likely class first.
        clean: modality -> decoded signal; None where it is missing.
        corrupted: the same under the scenario.
        record: what the scenario did to it, as the column `corruption` holds it.
        on_features: whether the scenario also corrupts features, which neither signal shows.
    """

    id: str
    group: str
    fold: int
    label: str
    predicted: str
    loss: float
    probabilities: dict[str, float]
    clean: dict[str, Signal | None]
    corrupted: dict[str, Signal | None]
    record: dict[str, Any]
    on_features: bool


@dataclass(frozen=True)
class WorstSamples:
    """The worst samples of a split.

    Attributes:
        run: `NAME/seed0`.
        scenario: name.
        split: that they are from.
        inference: mode; None for a method without inference modes.
        count: number of samples in the split.
        wrong: number of them that are classified wrongly.
        samples: the worst first.
    """

    run: str
    scenario: str
    split: str
    inference: str | None
    count: int
    wrong: int
    samples: Sequence[WorstSample]


def find_condition(config: RunConfig, scenario: str, manifest: Manifest | None) -> EvalCondition:
    """Return a scenario by its name, such as D or D-severity5.

    Args:
        config: of the run.
        scenario: name.
        manifest: that the scenario is from; None for the run's own.

    Raises:
        UsageError: there is no such scenario.
    """
    tested = manifest_under_test(config.manifest, EvalRequest(manifest=manifest))
    graded = SEVERITY.fullmatch(scenario)
    base, severities = (scenario, ()) if scenario in tested.scenarios or not graded else (graded[1], (int(graded[2]),))
    if base not in tested.scenarios:
        known = ", ".join(tested.scenarios)
        raise UsageError(f"--scenario {scenario}: no such scenario{nearest(base, tested.scenarios)}; allowed: {known}")
    found = {c.name: c for c in conditions_to_test(tested, EvalRequest(severities=severities, manifest=manifest))}
    if scenario not in found:
        raise UsageError(f"--scenario {scenario}: {base} has no severities")
    return found[scenario]


def choose_inference(config: RunConfig, condition: EvalCondition, asked: str | None) -> str | None:
    """Return the inference mode to look at: the one asked for, else the router, else the first that needs no scenario.

    Raises:
        UsageError: the method has no such mode, or cannot use it here.
    """
    modes = find_method(config.fit.method).inference_modes
    allowed = [mode for mode in modes if condition.other is None or mode != ORACLE]
    if asked is not None and asked not in allowed:
        raise UsageError(f"--inference {asked}: {config.fit.method} has {', '.join(allowed) or 'no inference modes'}")
    unaided = [mode for mode in allowed if mode != ORACLE]
    return asked or (ROUTER if ROUTER in allowed else next(iter(unaided or allowed), None))


def worst_samples(
    run: Run,
    config: RunConfig,
    condition: EvalCondition,
    split: Split,
    inference: str | None,
    top: int,
    machine: Machine,
    precision: str,
) -> WorstSamples:
    """Return the samples with the highest loss, with what was done to them.

    The predictions of the test split are those that `avtrain eval` wrote; on another split they are computed.

    Args:
        run: finished.
        config: of the run, with the place of its data, by `locate_data`.
        condition: by `find_condition`.
        split: `train`, `validation` or `test`.
        inference: by `choose_inference`.
        top: number of samples.
        machine: where predictions are computed.
        precision: `fp32` or `bf16`.

    Raises:
        UserError: the run is not evaluated on these data.
    """
    rows = read_rows(condition.manifest, split, machine.row_cache)
    if split == "test":
        outputs = _evaluated(run, condition, inference, rows)
    else:
        outputs = _computed(run, config, condition, inference, rows, machine, precision)
    labels = np.array([sample.label for sample in rows.samples])
    logs: NDArray[np.float64] = log_softmax(outputs.calibrated, axis=1)
    losses = -logs[np.arange(len(labels)), labels]
    worst = np.argsort(-losses, kind="stable")[:top].tolist()
    samples = []
    with progress_bar("samples", len(worst)) as advance:
        for row in worst:
            samples.append(_worst_sample(rows.samples[row], rows.classes, rows.modalities, logs[row], condition))
            advance()
    name = f"{run.folder.parent.name}/{run.folder.name}"
    wrong = int(np.sum(outputs.logits.argmax(axis=1) != labels))
    return WorstSamples(name, condition.name, split, inference, len(labels), wrong, samples)


def _evaluated(run: Run, condition: EvalCondition, inference: str | None, rows: Rows) -> Outputs:
    """Return what `avtrain eval` wrote for the test split."""
    file = condition.file(inference)
    if not (run.folder / file).exists():
        raise UserError(f"{run}: not evaluated under {condition.name} ({file} is absent); avtrain eval {run} does it")
    evaluation = run.read_json(file)
    predictions = read_predictions(run.folder, evaluation)
    same_scenario = evaluation["scenario_hash"] == condition.manifest.scenario_hash(condition.name)
    same_rows = evaluation["content"] == content_of(condition.manifest, ["test"])
    if not (same_scenario and same_rows) or predictions.ids != tuple(sample.id for sample in rows.samples):
        raise UserError(f"{run}/{file}: evaluated on other data or another {condition.name}; avtrain eval {run} again")
    return predictions.outputs()


def _computed(
    run: Run,
    config: RunConfig,
    condition: EvalCondition,
    inference: str | None,
    rows: Rows,
    machine: Machine,
    precision: str,
) -> Outputs:
    method = load_method(run, config, len(rows.classes), machine)
    if inference in inference_modes(method, scenario_known=condition.other is None) and inference is not None:
        method.inference = inference
    data = MultimodalData(rows, condition.manifest, method.backbone.frontend, (condition.name,))
    outputs = predict(method, data, config.fit.batch_size, machine, precision)
    return calibrated(outputs, pick_temperature(run, None), inference)


def _worst_sample(
    sample: Sample,
    classes: Sequence[str],
    modalities: Sequence[str],
    logs: NDArray[np.float64],
    condition: EvalCondition,
) -> WorstSample:
    clean: dict[str, Signal] = {
        modality: MODALITIES[modality].decode(data if isinstance(data, tuple) else (data,))
        for modality, data in sample.media.items()
    }
    absent: dict[str, Signal | None] = dict.fromkeys(modalities)
    corrupted: dict[str, Signal | None] = {**clean}
    record: dict[str, Any] = {}
    on_features = False
    if not condition.manifest.scenarios[condition.name].clean:
        plan = plan_sample(draws_of(condition.manifest, condition.name), sample.id, clean)
        corrupted, record = corrupt(plan, clean)
        on_features = any(plan.feature_ops(modality) for modality in clean)
    order = np.argsort(-logs, kind="stable").tolist()
    return WorstSample(
        id=sample.id,
        group=sample.group,
        fold=sample.fold,
        label=classes[sample.label],
        predicted=classes[order[0]],
        loss=float(-logs[sample.label]),
        probabilities={classes[index]: float(np.exp(logs[index])) for index in order},
        clean={**absent, **clean},
        corrupted={**absent, **corrupted},
        record=record,
        on_features=on_features,
    )
