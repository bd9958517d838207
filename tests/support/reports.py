"""Evaluations written by hand, and the report made of them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from avtrain.report.results import gather
from avtrain.report.view import ReportView, build_view
from avtrain.report.writer import write_report
from avtrain.runs.search import find_runs

CLASSES = ["dog <bark>", "cat & mouse", "horse"]
EMPTY_BIN = {"confidence": None, "accuracy": None, "count": 0}
BINS = [*[EMPTY_BIN] * 7, {"confidence": 0.5, "accuracy": 0.75, "count": 40}, *[EMPTY_BIN] * 7]


def score(method: str, scenario: str, accuracy: float, **more: Any) -> dict[str, Any]:
    """Return one evaluation, with the keys that a report reads."""
    evaluation = {
        "manifest": "demo", "other_manifest": None, "scenario": scenario, "base_scenario": scenario,
        "severity": 0 if scenario == "C" else None, "listed": True, "scenario_hash": scenario, "ops_trained_on": [],
        "split": {}, "leaky": False, "method": method, "backbone": "tiny", "train_on": "scenarios", "seed": 0,
        "inference": None, "trainable_parameters": 12_345, "accuracy": accuracy, "reliability": BINS,
        "classes": CLASSES, "confusion": [[31, 2, 1], [0, 17, 3], [4, 0, 42]], "choice": None,
    }  # fmt: skip
    evaluation |= more
    return evaluation | {"run": more.get("run", f"demo-{method}/seed{evaluation['seed']}")}


def severities(method: str, scenario: str, accuracies: Iterable[float], **more: Any) -> list[dict[str, Any]]:
    """Return the evaluations of one scenario at severities from 1 on."""
    return [
        score(method, f"{scenario}-severity{s}", a, base_scenario=scenario, severity=s, listed=False, **more)
        for s, a in enumerate(accuracies, 1)
    ]


def epochs(*unimodal: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl, one an epoch; gradient norms are ten times the accuracies.

    unimodal: accuracy by modality, the same in both scenarios.
    """
    return [
        {
            "epoch": epoch,
            "unimodal": {"C": accuracies, "D": accuracies},
            "gradient_norms": {modality: 10 * accuracy for modality, accuracy in accuracies.items()},
        }
        for epoch, accuracies in enumerate(unimodal, 1)
    ]


def write_runs(
    folder: Path,
    evaluations: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the run folders of evaluations.  metrics: of every run."""
    for number, evaluation in enumerate(evaluations):
        run = folder / evaluation["run"]
        (run / "eval").mkdir(parents=True, exist_ok=True)
        (run / "config.yaml").touch()
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
        (run / "eval" / f"{number}.json").write_text(json.dumps(evaluation))


def report(
    folder: Path,
    evaluations: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the runs and their report into a folder; return the page."""
    write_runs(folder, evaluations, metrics)
    write_report(folder)
    return (folder / "report.html").read_text()


def view_of(
    folder: Path,
    evaluations: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]] = (),
) -> ReportView:
    """Write the runs of one manifest into a folder; return what the sections see of them."""
    write_runs(folder, evaluations, metrics)
    (results,) = gather(find_runs([folder]))
    return build_view(results)


def drawings(page: str) -> list[ElementTree.Element]:
    """Return every SVG of a page, parsed."""
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
