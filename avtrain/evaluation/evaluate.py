"""`avtrain eval`: scores of a finished run on the test split, a file of metrics and one of predictions for each
condition and inference mode."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from avbuild.errors import UserError
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.recorded_plugins import require_plugins
from avtrain.backbones.registry import build_backbone
from avtrain.config import RunConfig
from avtrain.data.dataset import MultimodalData
from avtrain.data.masks import digest_presence, missing_shares, nominal_rate
from avtrain.data.regimes import train_scenarios
from avtrain.data.samples import Rows
from avtrain.data.shards import content_of, read_corrupted, read_rows, shared_recordings
from avtrain.device import Machine
from avtrain.evaluation.calibration import calibrated, describe_temperature, pick_temperature
from avtrain.evaluation.conditions import EvalCondition, EvalRequest, conditions_to_test, manifest_under_test
from avtrain.evaluation.contributions import modality_contributions
from avtrain.evaluation.location import open_run
from avtrain.evaluation.metrics import accuracy, confusion_matrix, macro_f1
from avtrain.evaluation.predict import Outputs, predict, unimodal_accuracy
from avtrain.evaluation.predictions import DIGEST, predictions_file, to_parquet
from avtrain.evaluation.probability_scores import score_probabilities
from avtrain.evaluation.swap_test import router_accuracy, swap_test
from avtrain.features.cache import cached_source
from avtrain.frontends.base import AnyFrontend, version_of, with_version
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method, merged_weights
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_same_plugins
from avtrain.runs.layout import run_label
from avtrain.runs.sealed import digest_of
from avtrain.runs.weights import backbone_weights

ORACLE = "oracle"  # the inference mode that is given the true scenario


def evaluate(
    run: Run,
    request: EvalRequest,
    machine: Machine,
    precision: str,
    advance: Callable[[], None] = lambda: None,
    calibration: str | None = None,
) -> list[dict[str, Any]]:
    """Score a run on the test split under each condition and inference mode, and write the JSON files.

    A scenario that is on disk is read from there, otherwise it is computed; both give the same.

    Args:
        run: finished.
        request: which conditions.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        advance: called after each condition, for a progress bar.
        calibration: as for `pick_temperature`.

    Returns:
        The content of the files.  Empty where the method's only inference mode needs the true scenario and the
        conditions come from another manifest, for whose scenarios it has learned no prompts.

    Raises:
        UsageError: the request does not fit the run.
        UserError: the run is not finished, or its data have changed.
    """
    config, request, machine = open_run(run, request, machine)
    tested = manifest_under_test(config.manifest, request)
    conditions, temperature = conditions_to_test(tested, request), pick_temperature(run, calibration)
    clean = read_rows(tested, "test", machine.row_cache)
    method = load_method(run, config, len(clean.classes), machine)
    leaky, content = bool(shared_recordings(config.manifest)), content_of(tested, ["test"])
    results = []
    for condition in conditions:
        data, computed = read_condition(condition, clean, method.backbone.frontend, machine)
        rows, source = data.rows, cached_source(method, data, machine, precision)
        facts = describe_condition(run, config, condition) | {"leaky": leaky, "computed": computed, "content": content}
        for inference in inference_modes(method, scenario_known=condition.other is None):
            method.inference = inference
            outputs = predict(method, source, config.fit.batch_size, machine, precision)
            outputs = calibrated(outputs, temperature, inference)
            applied = {"calibration": describe_temperature(temperature, inference)}
            result = facts | {"inference": inference} | applied | score(outputs, rows)
            result["choice"] = _mean_choice(outputs, config.manifest)
            if condition.other is None:  # the method has learned prompts for this scenario
                result["router_accuracy"] = router_accuracy(outputs, condition.position)
                if inference == ORACLE and method.swappable:
                    names = list(config.manifest.scenarios)
                    result["swap"] = swap_test(method, source, names, config.fit.batch_size, machine, precision)
            if condition.severity == 0:  # on clean data nothing is missing but what is hidden here
                result |= modality_contributions(method, source, outputs, config.fit.batch_size, machine, precision)
            predicted = to_parquet(outputs, rows, condition.name, condition.severity, inference)
            results.append(write_scores(run, condition.file(inference), result, predicted))
        advance()
    return results


def read_condition(
    condition: EvalCondition, clean: Rows, frontend: AnyFrontend, machine: Machine
) -> tuple[MultimodalData, str]:
    """Return the test split under one condition, and where its corruptions come from, for the scores.

    Args:
        condition: to test.
        clean: the split as it is without the condition.
        frontend: of the method that reads the data.
        machine: its cache of rows.
    """
    on_disk = read_corrupted(condition.manifest, "test", condition.name, machine.row_cache)
    if not on_disk:
        require_plugins([condition.manifest.scenarios[condition.name]])
    data = MultimodalData(on_disk or clean, condition.manifest, frontend, (condition.name,))
    return data, "from disk" if on_disk or condition.severity == 0 else "on the fly"


def count_conditions(run: Run, request: EvalRequest) -> int:
    """Return the number of conditions of a request, for a progress bar; 1 for a run that cannot be evaluated."""
    try:
        return len(conditions_to_test(manifest_under_test(run.config().manifest, request), request))
    except UserError:  # `evaluate` says so
        return 1


def write_scores(run: Run, file: str, scores: Mapping[str, Any], predictions: bytes) -> dict[str, Any]:
    """Write the predictions of one condition, then the JSON file of its scores, which holds their digest.

    Args:
        run: whose folder they are written to.
        file: path of the scores in it, by `condition_file`.
        scores: content of the JSON file.
        predictions: by `to_parquet`.

    Returns:
        The content of the JSON file.
    """
    run.write_bytes(predictions_file(file), predictions)
    written = {**scores, DIGEST: digest_of(predictions)}
    run.write_json(file, written)
    return written


def load_method(run: Run, config: RunConfig, classes: int, machine: Machine) -> Method:
    """Build a finished run's method with the weights of its best epoch.

    Args:
        run: finished.
        config: of the run.
        classes: number of classes.
        machine: its device.
    """
    require_same_plugins(run, config.model_plugins)
    weights, fit = run.weights(), config.fit
    merged = backbone_weights(merged_weights(fit.method, config.method_options, weights))
    backbone = build_backbone(fit.backbone, config.backbone_options, merged, run.modalities())
    backbone.frontend = _frontend_of(run, backbone.frontend)
    scenarios, defaults = len(config.manifest.scenarios), config.defaults.get("method")
    method = build_method(fit.method, fit.method_options, backbone, classes, scenarios, defaults)
    method.load_run_weights(weights)
    return method.to(machine.device)


def _frontend_of(run: Run, newest: AnyFrontend) -> AnyFrontend:
    """Return the front end that a run was trained with, with a notice where it is not the newest version."""
    trained_with = run.read_json("result.json").get("frontend_version", 1)  # earlier versions of avtrain wrote none
    if trained_with == version_of(newest):
        return newest
    print(
        f"{run}: trained with version {trained_with} of its front end, and read with it; the newest is "
        f"{version_of(newest)}. To use that one, train again: avtrain fit with --resume restart",
        file=sys.stderr,
    )
    return with_version(newest, trained_with)


def inference_modes(method: Method, *, scenario_known: bool) -> tuple[str | None, ...]:
    """Return the inference modes to score.

    Args:
        method: of the run.
        scenario_known: whether the method was trained on the true scenario; `oracle` is left out otherwise.

    Returns:
        Names of modes; (None,) for a method without inference modes.
    """
    if not method.inference_modes:
        return (None,)
    return tuple(mode for mode in method.inference_modes if scenario_known or mode != ORACLE)


def score(outputs: Outputs, rows: Rows) -> dict[str, Any]:
    """Compute all metrics of one condition, for its JSON file.

    Args:
        outputs: predictions for the rows.
        rows: name the classes.
    """
    labels, predicted = outputs.labels, outputs.logits.argmax(axis=1)
    confusion = confusion_matrix(predicted, labels, len(rows.classes))
    return {
        "n": len(labels),
        "accuracy": accuracy(predicted, labels),
        "macro_f1": macro_f1(confusion),
        **score_probabilities(outputs),
        "per_modality": unimodal_accuracy(outputs),
        "missing_rate": {m: float(1 - np.mean(present)) for m, present in outputs.present.items()},
        **asdict(missing_shares(outputs.present)),
        "masks": digest_presence(outputs.ids, outputs.present),
        "classes": list(rows.classes),
        "confusion": confusion.tolist(),
    }


def describe_condition(run: Run, config: RunConfig, condition: EvalCondition) -> dict[str, Any]:
    """Return what the scores of a run under a condition say of both."""
    fit, manifest = config.fit, config.manifest
    return {
        "manifest": manifest.name,
        "other_manifest": condition.other,
        "scenario": condition.name,
        "base_scenario": condition.base,
        "severity": condition.severity,
        "position": condition.position,
        "spec": condition.manifest.scenarios[condition.name].as_yaml(),
        "nominal_rate": nominal_rate(condition.manifest.scenarios[condition.name]),
        "listed": condition.listed,
        "scenario_hash": condition.manifest.scenario_hash(condition.name),
        "ops_trained_on": _ops_trained_on(config, condition),
        "split": manifest.split.as_yaml(),
        "method": fit.method,
        "backbone": fit.backbone,
        "train_on": fit.train_on,
        "selected_on": fit.select_on,
        "seed": fit.seed,
        "run": run_label(run.folder),
        "fold": config.fold,
        "folds": config.folds and list(config.folds),
        **({"plugins": {record.key: record.digest for record in config.plugins}} if config.plugins else {}),
        "trainable_parameters": run.read_json("result.json")["trainable_parameters"],
    }


def _ops_trained_on(config: RunConfig, condition: EvalCondition) -> list[str]:
    """Return the corruptions of a condition that training drew from too, at any severity, as `modality name`."""
    manifest = config.manifest
    drawn = {
        (op.modality, op.name) for name in train_scenarios(config.fit, manifest) for op in manifest.scenarios[name].ops
    }
    acting = dict.fromkeys((op.modality, op.name) for op in condition.manifest.scenarios[condition.name].ops)
    return [f"{modality} {name}" for modality, name in acting if (modality, name) in drawn]


def _mean_choice(outputs: Outputs, manifest: Manifest) -> dict[str, float] | None:
    """Return the router's mean weight of each prompt set, by the scenario that the set was learned for."""
    if outputs.choice is None:
        return None
    return dict(zip(manifest.scenarios, outputs.choice.mean(axis=0).tolist(), strict=True))
