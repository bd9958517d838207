"""How modalities are balanced: what each contributes to clean accuracy, and how each encoder trained."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avtrain.report.results import Cell, Entry, Evaluation, Results, own_scenarios
from avtrain.runs.folder import Run

NOTE = (
    "In %, on clean data. Accuracy with only the modalities named kept, where a sample that has none of them counts as "
    "wrong; and each modality's Shapley value, its mean gain over all orders of adding them: these sum to the accuracy "
    "with all."
)


@dataclass(frozen=True)
class Contributions:
    """Of the rows whose scores have them."""

    title: str
    coalitions: tuple[str, ...]  # audio, image, audio+image
    modalities: tuple[str, ...]
    rows: Mapping[Entry, "Contribution"]


@dataclass(frozen=True)
class Contribution:
    """Of one row, one value a seed."""

    coalitions: Mapping[str, Cell]
    shapley: Mapping[str, Cell]


@dataclass(frozen=True)
class TrainingCurves:
    """Of one row, by modality and epoch, one value a seed."""

    unimodal: Mapping[str, Mapping[int, Cell]]  # accuracy of its own scores, mean over the scenarios that select
    gradient_norms: Mapping[str, Mapping[int, Cell]]


def contributions(results: Results) -> Contributions:
    """From the clean scenario's scores; those of earlier versions have none."""
    rows = {}
    for entry, evaluations in results.entries.items():
        found = [e for e in own_scenarios(evaluations) if "shapley" in e]
        if found:
            rows[entry] = _contribution([e for e in found if e["scenario"] == found[0]["scenario"]])
    return Contributions(
        f"{results.manifest}{' (leaky split)' if results.leaky else ''}",
        _names(row.coalitions for row in rows.values()),
        _names(row.shapley for row in rows.values()),
        rows,
    )


def training_curves(runs: Sequence[Run]) -> TrainingCurves:
    """From metrics.jsonl; empty where the method has no scores or no encoder of a modality alone."""
    unimodal: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    norms: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in (line for run in runs for line in run.metrics()):
        for modality, value in _mean_over_scenarios(line.get("unimodal", {})).items():
            unimodal[modality][line["epoch"]].append(value)
        for modality, value in line.get("gradient_norms", {}).items():
            norms[modality][line["epoch"]].append(value)
    return TrainingCurves(_cells(unimodal), _cells(norms))


def contributions_as_markdown(found: Contributions) -> str:
    """A table for report.md."""
    heads = (*found.coalitions, *(f"Shapley {m}" for m in found.modalities))
    lines = [
        f"#### {found.title}: what each modality contributes",
        "",
        f"| method | {' | '.join(heads)} | n |",
        "| --- |" + " --- |" * (len(heads) + 1),
    ]
    for entry, row in found.rows.items():
        lines.append(f"| {entry} | {' | '.join(cells_of(found, row))} | {seeds_of(row)} |")
    return "\n".join([*lines, "", NOTE, ""])


def cells_of(found: Contributions, row: Contribution) -> list[str]:
    """What stands in a row, coalitions first."""
    cells = [row.coalitions.get(name) for name in found.coalitions]
    cells += [row.shapley.get(name) for name in found.modalities]
    return ["" if cell is None else str(cell) for cell in cells]


def seeds_of(row: Contribution) -> int:
    """Runs behind a row."""
    return len(next(iter(row.shapley.values())).values)


def _contribution(evaluations: Sequence[Evaluation]) -> Contribution:
    ordered = sorted(evaluations, key=lambda e: int(e["seed"]))

    def cells(key: str) -> dict[str, Cell]:
        return {name: Cell(tuple(e[key][name] for e in ordered)) for name in ordered[0][key]}

    return Contribution(cells("coalitions"), cells("shapley"))


def _mean_over_scenarios(unimodal: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    by_modality: dict[str, list[float]] = defaultdict(list)
    for scores in unimodal.values():
        for modality, accuracy in scores.items():
            by_modality[modality].append(accuracy)
    return {modality: float(np.mean(values)) for modality, values in by_modality.items()}


def _cells(values: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[str, dict[int, Cell]]:
    return {m: {epoch: Cell(tuple(by_epoch[epoch])) for epoch in sorted(by_epoch)} for m, by_epoch in values.items()}


def _names(parts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part))
