"""Runs with hand-made predictions: how often each method is right is chosen, everything else is as `eval` writes it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avtrain.data.samples import Rows, Sample
from avtrain.evaluation.evaluate import score as metrics
from avtrain.evaluation.evaluate import write_scores
from avtrain.evaluation.predict import Outputs
from avtrain.evaluation.predictions import scores_file, to_parquet
from avtrain.runs.folder import Run
from tests.support.reports import CLASSES, score


def rows(n: int = 240, of_one_recording: int = 2, prefix: str = "clip") -> Rows:
    """Return a test split of which only ids, groups and labels matter."""
    samples = [
        Sample(f"{prefix}{i}", {}, i % len(CLASSES), f"recording{i // of_one_recording}", 1 + i % 3) for i in range(n)
    ]
    return Rows(samples, tuple(CLASSES), ("audio", "image"), "C")


def outputs(split: Rows, right: np.ndarray) -> Outputs:
    """Return predictions of which those marked are right."""
    labels = np.array([sample.label for sample in split.samples])
    chosen = np.where(right, labels, (labels + 1) % len(CLASSES))
    logits = np.eye(len(CLASSES))[chosen] * 2.0
    present = {m: np.ones(len(labels), dtype=bool) for m in split.modalities}
    return Outputs(logits, {}, present, labels, tuple(sample.id for sample in split.samples))


def right(accuracy: float, n: int, seed: int, difficulty: int = 0) -> np.ndarray:
    """Return which of n samples are right; methods with the same `difficulty` find the same samples hard."""
    hard = np.random.default_rng(difficulty).random(n)
    own = np.random.default_rng(seed + 1000).normal(0, 0.03, n)
    return np.argsort(np.argsort(hard + own)) < round(accuracy * n)


def write_predicted(folder: Path, evaluation: Mapping[str, Any], split: Rows, correct: np.ndarray) -> Path:
    """Write one evaluation with its predictions; return the run's folder."""
    run = folder / evaluation["run"]
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").touch()
    (run / "metrics.jsonl").touch()
    predicted = outputs(split, correct)
    e = {**evaluation, **metrics(predicted, split)}
    data = to_parquet(predicted, split, e["scenario"], e["severity"], e["inference"])
    write_scores(Run(run), scores_file(e), e, data)
    return run


def write_methods(
    folder: Path,
    accuracies: Mapping[str, Sequence[float]],
    scenarios: Sequence[str] = ("C", "D"),
    seeds: Sequence[int] = (0,),
    n: int = 240,
    **more: Any,
) -> Path:
    """Write runs of several methods.

    Args:
        folder: of the runs.
        accuracies: method -> accuracy in each scenario.
        scenarios: names, in the order of the manifest.
        seeds: of every method.
        n: number of test samples, two of each recording.
        more: keys of the evaluations.
    """
    split = rows(n)
    for number, (method, values) in enumerate(accuracies.items()):
        for seed in seeds:
            for position, (name, value) in enumerate(zip(scenarios, values, strict=True)):
                e = score(method, name, value, seed=seed, position=position, **more)
                write_predicted(folder, e, split, right(value, n, 100 * number + seed, difficulty=position))
    return folder
