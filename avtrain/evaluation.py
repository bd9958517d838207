"""`avtrain eval`: a finished run on the test split, one JSON a scenario."""

import fnmatch
from collections.abc import Sequence
from typing import Any

import numpy as np

from avbuild.errors import UsageError, UserError
from avbuild.manifest import Manifest
from avtrain.backbones import build_backbone
from avtrain.config import RunConfig
from avtrain.data import AudioVisualData
from avtrain.feature_cache import cached
from avtrain.machine import Machine
from avtrain.methods import Method, build_method, find_method, merged_weights
from avtrain.metrics import accuracy, calibration_error, confusion_matrix, macro_f1, softmax
from avtrain.prediction import Outputs, predict
from avtrain.rows import Rows, read_corrupted, read_rows, shared_recordings
from avtrain.runs import Run, backbone_weights


def evaluate(run: Run, scenarios: Sequence[str], machine: Machine, precision: str) -> list[dict[str, Any]]:
    """Score a run under each scenario on the test split, and write `eval/SCENARIO.json`.

    scenarios: names or patterns such as `D*`.  A scenario on disk is read from there, else computed: the same either
    way.
    """
    if not run.finished:
        raise UserError(f"{run}: training is not finished; run the same avtrain fit again")
    config = run.config()
    names = _matching(scenarios, config.manifest)
    clean = read_rows(config.manifest, "test")
    leaky = bool(shared_recordings(config.manifest))
    method = load_method(run, config, len(clean.classes), machine)
    results = []
    for name in names:
        on_disk = read_corrupted(config.manifest, "test", name)
        rows = on_disk or clean
        data = AudioVisualData(rows, config.manifest, method.backbone.frontend, (name,))
        outputs = predict(method, cached(method, data, machine, precision), config.fit.batch_size, machine, precision)
        on_the_fly = on_disk is None and not config.manifest.scenarios[name].clean
        result = _describe(run, config, name) | {
            "leaky": leaky,
            "computed": "on the fly" if on_the_fly else "from disk",
        }
        result |= score(outputs, rows)
        run.write_json(f"eval/{name}.json", result)
        results.append(result)
    return results


def load_method(run: Run, config: RunConfig, classes: int, machine: Machine) -> Method:
    """A finished run's model, with the weights of its best epoch."""
    weights = run.weights()
    merged = merged_weights(config.fit.method, config.fit.method_options, weights)
    backbone = build_backbone(config.fit.backbone, config.fit.backbone_options, backbone_weights(merged))
    scenarios = len(config.manifest.scenarios)
    method = build_method(config.fit.method, config.fit.method_options, backbone, classes, scenarios)
    method.load_state_dict(weights)
    return method.to(machine.device)


def score(outputs: Outputs, rows: Rows) -> dict[str, Any]:
    """All measures of one scenario."""
    labels, predicted = outputs.labels, outputs.logits.argmax(axis=1)
    confusion = confusion_matrix(predicted, labels, len(rows.classes))
    return {
        "n": len(labels),
        "accuracy": accuracy(predicted, labels),
        "macro_f1": macro_f1(confusion),
        "calibration_error": calibration_error(softmax(outputs.logits), labels),
        "per_modality": {
            # of the samples that have the modality: on the others there is nothing to score
            m: accuracy(scores.argmax(axis=1)[outputs.present[m]], labels[outputs.present[m]])
            for m, scores in outputs.per_modality.items()
            if outputs.present[m].any()
        },
        "missing_rate": {m: float(1 - np.mean(there)) for m, there in outputs.present.items()},
        "classes": list(rows.classes),
        "confusion": confusion.tolist(),
    }


def _describe(run: Run, config: RunConfig, scenario: str) -> dict[str, Any]:
    fit, manifest = config.fit, config.manifest
    return {
        "manifest": manifest.name,
        "scenario": scenario,
        "scenario_hash": manifest.scenario_hash(scenario),
        "split": manifest.split.as_yaml(),
        "method": fit.method,
        "backbone": fit.backbone,
        "train_on": fit.train_on,
        "seed": fit.seed,
        "run": f"{run.folder.parent.name}/{run.folder.name}",
        "told_scenario": "oracle" if "oracle" in find_method(fit.method).inference_modes else None,
    }


def _matching(patterns: Sequence[str], manifest: Manifest) -> list[str]:
    unknown = [p for p in patterns if not fnmatch.filter(manifest.scenarios, p)]
    if unknown:
        raise UsageError(
            f"no scenario {', '.join(unknown)} in this run's manifest; it has {', '.join(manifest.scenarios)}"
        )
    return [name for name in manifest.scenarios if any(fnmatch.fnmatchcase(name, p) for p in patterns)]
