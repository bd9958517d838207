"""`avtrain.evaluate`: score a model that avtrain has not trained, under the scenarios of a manifest."""

import operator
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from avbuild.errors import UsageError
from avbuild.progress import progress_bar
from avbuild.scenarios.manifest import Manifest
from avtrain.data.masks import nominal_rate
from avtrain.data.shards import content_of, shared_recordings
from avtrain.data.torch_dataset import Dataset, Transform, read_manifest
from avtrain.device import Machine
from avtrain.evaluation.conditions import EvalCondition, EvalRequest, conditions_to_test
from avtrain.evaluation.contributions import coalitions, modality_contributions
from avtrain.evaluation.evaluate import score, write_scores
from avtrain.evaluation.outside_method import Model, OutsideMethod, RawBatches, are_probabilities
from avtrain.evaluation.outside_results import EvaluationResults
from avtrain.evaluation.predict import Outputs, predict
from avtrain.evaluation.predictions import to_parquet
from avtrain.runs.folder import Run
from avtrain.runs.outside import OutsideConfig, OutsideModel, begin_outside, require_free

BACKBONE, TRAIN_ON, SELECTED_ON = "outside model", "unknown data", "unknown"  # nothing is known of its training


def evaluate(
    model: Model,
    manifest: str | Path | Manifest,
    *,
    name: str,
    scenarios: str | Sequence[str] | None = None,
    severities: Sequence[int] = (),
    batch_size: int = 32,
    transform: Transform | None = None,
    workers: int = 0,
    seed: int = 0,
    out: str | Path = "runs",
) -> EvaluationResults:
    """Score a model on the test split, under each scenario of a manifest, with the metrics of `avtrain eval`.

    The model is called with a dictionary of tensors for B samples, on the device of its parameters, without gradients:

    - `audio`: float32 [B, samples], 16 kHz, full scale 1.0, with zeros at the end of the shorter clips; `image`: uint8
      [B, height, width, 3]; `video`: uint8 [B, frames, height, width, 3]; `text`: a list of B str; or what `transform`
      made of them.  One key for each modality of the data set; the row of a missing modality is zeros, and a missing
      text is empty
    - `audio_present` and the like, bool [B]: whether a sample has the modality
    - `audio_length`, int64 [B]: samples of each clip before zeros were added

    It returns logits or probabilities, float [B, classes], in the order of the data set's classes.  The scores are
    written to OUT/NAME/seedN, where `avtrain report` finds them; an earlier model's scores there are replaced.

    >>> import avtrain, torch
    >>> def loudness(batch):
    ...     return torch.nn.functional.one_hot((batch["audio"].abs().amax(1) * 9).long(), 10).float()
    >>> results = avtrain.evaluate(loudness, "manifests/demo.yaml", name="loudness", scenarios=["C", "A"])
    >>> sorted(results.accuracy)
    ['A', 'C']

    Args:
        model: a module, or any function of such a dictionary.
        manifest: a manifest, or the folder of a data set; a path or any fsspec URL.
        name: of the model, in tables and as a folder.
        scenarios: names or patterns such as D*; None: all.
        severities: 1 to 5; each corrupted scenario is scored at these too.
        batch_size: samples in a batch.
        transform: of the items of `avtrain.Dataset`, such as {"image": resize}.
        workers: processes that load data; 0: this one.
        seed: number of the training, where one model was trained several times; tables take the mean over seeds.
        out: folder of all runs.

    Returns:
        The scores by scenario.

    Raises:
        UsageError: an argument is wrong, or the model returns something else than scores.
        UserError: the data set is absent or damaged, or the folder holds something else.
    """
    _check(model, name, batch_size, workers, seed)
    read = read_manifest(manifest)
    conditions = conditions_to_test(read, EvalRequest(_patterns(scenarios), _severities(severities)))
    run = Run(Path(out).expanduser() / name / f"seed{seed}")
    require_free(run.folder)
    data = Dataset(read, "test", conditions[0].base, transform)
    sources = [
        data.under(condition.name, condition.manifest) for condition in conditions
    ]  # before anything is computed
    device = _device(model)
    found = _predict_all(model, conditions, sources, batch_size, Machine(device, workers))
    probabilities = are_probabilities(np.concatenate([outputs.logits for outputs, _ in found]))
    facts = {
        "manifest": read.name,
        "split": read.split.as_yaml(),
        "leaky": bool(shared_recordings(read)),
        "content": content_of(read, ["test"]),
        "method": name,
        "seed": seed,
        "run": f"{name}/seed{seed}",
    }
    config = OutsideConfig(
        model=OutsideModel(
            name=name,
            source=_source(model),
            parameters=sum(p.numel() for p in model.parameters()) if isinstance(model, nn.Module) else None,
            outputs="probabilities" if probabilities else "logits",
            seed=seed,
        ),
        manifest=read,
    )
    begin_outside(run, config, device)
    results = {}
    for condition, (returned, contributions) in zip(conditions, found, strict=True):
        outputs = replace(returned, logits=_log(returned.logits)) if probabilities else returned
        scores = facts | _describe(condition) | score(outputs, data.rows) | {"choice": None} | contributions
        predicted = to_parquet(outputs, data.rows, condition.name, condition.severity, None)
        results[condition.name] = write_scores(run, condition.file(None), scores, predicted)
    return EvaluationResults(name, read.name, run.folder, results)


def _predict_all(
    model: Model, conditions: Sequence[EvalCondition], sources: Sequence[Dataset], batch_size: int, machine: Machine
) -> list[tuple[Outputs, dict[str, Any]]]:
    """Return the predictions under each condition; on clean data with the contribution of each modality."""
    method = OutsideMethod(model, len(sources[0].classes))
    subsets = len(coalitions(sources[0].modalities))
    passes = sum(subsets if condition.severity == 0 else 1 for condition in conditions)
    found = []
    with _evaluating(model), progress_bar("scoring", passes * len(sources[0])) as advance:
        for condition, data in zip(conditions, sources, strict=True):
            source = RawBatches(data, advance)
            outputs = predict(method, source, batch_size, machine, "fp32")
            contributions = {}
            if condition.severity == 0:
                contributions = modality_contributions(method, source, outputs, batch_size, machine, "fp32")
            found.append((outputs, contributions))
    return found


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Put a module into eval mode inside the block, and each of its parts back into its own mode after it."""
    modes = [(part, part.training) for part in model.modules()] if isinstance(model, nn.Module) else []
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _describe(condition: EvalCondition) -> dict[str, Any]:
    """Return what a report must know of a condition, and that nothing is known of the training."""
    return {
        "other_manifest": None,
        "scenario": condition.name,
        "base_scenario": condition.base,
        "severity": condition.severity,
        "position": condition.position,
        "spec": condition.manifest.scenarios[condition.name].as_yaml(),
        "nominal_rate": nominal_rate(condition.manifest.scenarios[condition.name]),
        "listed": condition.listed,
        "scenario_hash": condition.manifest.scenario_hash(condition.name),
        "computed": "from disk" if condition.severity == 0 else "on the fly",
        "inference": None,
        "backbone": BACKBONE,
        "train_on": TRAIN_ON,
        "selected_on": SELECTED_ON,
        "ops_trained_on": None,
        "trainable_parameters": None,
    }


def _log(probabilities: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return logits with these probabilities."""
    with np.errstate(divide="ignore"):
        logits: np.ndarray[Any, Any] = np.log(probabilities)
    return logits


def _source(model: Model) -> str:
    """Return where a model is defined, as MODULE.NAME."""
    named = model if hasattr(model, "__qualname__") else type(model)
    return f"{named.__module__}.{named.__qualname__}"


def _device(model: Model) -> torch.device:
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return torch.device("cpu") if parameter is None else parameter.device


def _check(model: object, name: object, batch_size: object, workers: object, seed: object) -> None:
    if isinstance(model, type) or not callable(model):
        made = "; make an object of it first" if isinstance(model, type) else ""
        raise UsageError(f"model: {model!r} is no model; give a module, or a function of a batch{made}")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w .+=-]{0,99}", name):
        raise UsageError(
            f"name: {name!r}; give a name of letters, digits and . _ + = -, which is also that of a folder"
        )
    for what, value, low in (("batch_size", batch_size, 1), ("workers", workers, 0), ("seed", seed, 0)):
        _whole(what, value, low)


def _whole(what: str, value: object, low: int, high: int | None = None) -> int:
    try:
        whole = operator.index(value)  # type: ignore[arg-type]  # raises for what is no whole number
    except TypeError:
        whole = low - 1
    if isinstance(value, bool) or whole < low or (high is not None and whole > high):
        raise UsageError(f"{what}: {value!r}; give a whole number from {low}{'' if high is None else f' to {high}'}")
    return whole


def _patterns(scenarios: str | Sequence[str] | None) -> tuple[str, ...]:
    if scenarios is None:
        return ("*",)
    patterns = tuple(part.strip() for part in scenarios.split(",")) if isinstance(scenarios, str) else tuple(scenarios)
    if not patterns or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise UsageError(f"scenarios: {scenarios!r}; give names or patterns, or None for all")
    return patterns


def _severities(severities: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({_whole("severities", severity, 1, 5) for severity in severities}))
