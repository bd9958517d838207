"""`avtrain eval`: a finished run on the test split, one JSON a scenario and way of inference."""

from dataclasses import asdict
from typing import Any

import numpy as np

from avbuild.errors import UserError
from avbuild.scenarios.manifest import Manifest
from avtrain.backbones.registry import build_backbone
from avtrain.config import RunConfig
from avtrain.data.dataset import MultimodalData
from avtrain.data.regimes import train_scenarios
from avtrain.data.shards import Rows, content_of, read_corrupted, read_rows, shared_recordings
from avtrain.device import Machine
from avtrain.evaluation.conditions import EvalRequest, TestCondition, manifest_under_test, test_conditions
from avtrain.evaluation.contributions import modality_contributions
from avtrain.evaluation.metrics import accuracy, calibration_error, confusion_matrix, macro_f1, reliability, softmax
from avtrain.evaluation.predict import Outputs, predict, unimodal_accuracy
from avtrain.features.cache import cached_source
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method, merged_weights
from avtrain.runs.folder import Run, backbone_weights
from avtrain.runs.guards import require_same_data

ORACLE = "oracle"  # the inference mode that is told the scenario


def evaluate(run: Run, asked: EvalRequest, machine: Machine, precision: str) -> list[dict[str, Any]]:
    """Score a run on the test split under what was asked for, each way its method can infer; write the JSON files.

    A scenario on disk is read from there, else computed: the same either way.  Empty where the method can only infer
    with the scenario told, and the scenarios are another manifest's, for which it has nothing learned.
    """
    if not run.finished:
        raise UserError(f"{run}: training is not finished; run the same avtrain fit again")
    config = run.config()
    require_same_data(run, config.manifest)
    tested = manifest_under_test(config.manifest, asked)
    wanted = test_conditions(tested, asked)
    clean = read_rows(tested, "test")
    leaky, content = bool(shared_recordings(config.manifest)), content_of(tested, ["test"])
    method = load_method(run, config, len(clean.classes), machine)
    results = []
    for trial in wanted:
        on_disk = read_corrupted(trial.manifest, "test", trial.name)
        rows = on_disk or clean
        data = MultimodalData(rows, trial.manifest, method.backbone.frontend, (trial.name,))
        source = cached_source(method, data, machine, precision)
        computed = "from disk" if on_disk or trial.severity == 0 else "on the fly"
        facts = _describe(run, config, trial) | {"leaky": leaky, "computed": computed, "content": content}
        for inference in inference_modes(method, scenario_known=trial.other is None):
            method.inference = inference
            outputs = predict(method, source, config.fit.batch_size, machine, precision)
            result = facts | {"inference": inference} | score(outputs, rows)
            result["choice"] = _mean_choice(outputs, config.manifest)
            if trial.severity == 0:  # clean: what is missing there is missing by our hand alone
                result |= modality_contributions(method, source, outputs, config.fit.batch_size, machine, precision)
            run.write_json(trial.file(inference), result)
            results.append(result)
    return results


def load_method(run: Run, config: RunConfig, classes: int, machine: Machine) -> Method:
    """A finished run's model, with the weights of its best epoch."""
    weights = run.weights()
    merged = merged_weights(config.fit.method, config.fit.method_options, weights)
    own = backbone_weights(merged)
    backbone = build_backbone(config.fit.backbone, config.fit.backbone_options, own, run.modalities())
    scenarios = len(config.manifest.scenarios)
    method = build_method(config.fit.method, config.fit.method_options, backbone, classes, scenarios)
    method.load_state_dict(weights)
    return method.to(machine.device)


def inference_modes(method: Method, *, scenario_known: bool) -> tuple[str | None, ...]:
    """A method's inference modes, the oracle only where there is something to tell it; None for a method without."""
    if not method.inference_modes:
        return (None,)
    return tuple(mode for mode in method.inference_modes if scenario_known or mode != ORACLE)


def score(outputs: Outputs, rows: Rows) -> dict[str, Any]:
    """All measures of one scenario."""
    labels, predicted = outputs.labels, outputs.logits.argmax(axis=1)
    confusion = confusion_matrix(predicted, labels, len(rows.classes))
    bins = reliability(softmax(outputs.logits), labels)
    return {
        "n": len(labels),
        "accuracy": accuracy(predicted, labels),
        "macro_f1": macro_f1(confusion),
        "calibration_error": calibration_error(bins),
        "reliability": [asdict(each) for each in bins],
        "per_modality": unimodal_accuracy(outputs),
        "missing_rate": {m: float(1 - np.mean(there)) for m, there in outputs.present.items()},
        "classes": list(rows.classes),
        "confusion": confusion.tolist(),
    }


def _describe(run: Run, config: RunConfig, trial: TestCondition) -> dict[str, Any]:
    fit, manifest = config.fit, config.manifest
    return {
        "manifest": manifest.name,
        "other_manifest": trial.other,
        "scenario": trial.name,
        "base_scenario": trial.base,
        "severity": trial.severity,
        "listed": trial.listed,
        "scenario_hash": trial.manifest.scenario_hash(trial.name),
        "ops_trained_on": _ops_trained_on(config, trial),
        "split": manifest.split.as_yaml(),
        "method": fit.method,
        "backbone": fit.backbone,
        "train_on": fit.train_on,
        "selected_on": fit.select_on,
        "seed": fit.seed,
        "run": f"{run.folder.parent.name}/{run.folder.name}",
        "trainable_parameters": run.read_json("result.json")["trainable_parameters"],
    }


def _ops_trained_on(config: RunConfig, trial: TestCondition) -> list[str]:
    """Those of a scenario's corruptions that training drew from too, whatever their strength."""
    manifest = config.manifest
    drawn = {
        (op.modality, op.name) for name in train_scenarios(config.fit, manifest) for op in manifest.scenarios[name].ops
    }
    acting = dict.fromkeys((op.modality, op.name) for op in trial.manifest.scenarios[trial.name].ops)
    return [f"{modality} {name}" for modality, name in acting if (modality, name) in drawn]


def _mean_choice(outputs: Outputs, manifest: Manifest) -> dict[str, float] | None:
    """How much of each prompt set, by the scenario it was learned for, a router took on average."""
    if outputs.choice is None:
        return None
    return dict(zip(manifest.scenarios, outputs.choice.mean(axis=0).tolist(), strict=True))
