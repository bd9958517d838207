"""Scores as `avtrain eval` wrote them, gathered by manifest and by what was trained and how it infers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from avbuild.errors import UserError
from avtrain.config import SELECTED_ON_TEST
from avtrain.runs.folder import Run

Evaluation = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """What a row of a table stands for: runs that differ by their seed alone, inferring one way."""

    method: str
    backbone: str
    train_on: str
    inference: str | None
    selected_on: str = "validation"
    folder: str = ""  # of the runs, where the rest does not tell two rows apart

    def __str__(self) -> str:
        told = f", {self.inference}" if self.inference else ""
        told += f", {self.warning}" if self.warning else ""
        folder = f" {self.folder}" if self.folder else ""
        return f"{self.method} ({self.backbone}, trained on {self.train_on}{told}){folder}"

    @property
    def warning(self) -> str:
        """What must stand beside every number of these runs; empty for honest ones."""
        return SELECTED_ON_TEST if self.selected_on == "test" else ""


@dataclass(frozen=True)
class Cell:
    """Accuracies of one row under one scenario, one a seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for a single seed, which has none."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {100 * self.std:.1f}"
        return f"{100 * self.mean:.1f}{spread}"


@dataclass(frozen=True)
class Results:
    """All that was scored of the runs of one manifest."""

    manifest: str
    entries: Mapping[Entry, Sequence[Evaluation]]
    runs: Mapping[Entry, Sequence[Run]]  # that these are scores of

    @property
    def evaluations(self) -> list[Evaluation]:
        """Of all entries."""
        return [evaluation for evaluations in self.entries.values() for evaluation in evaluations]

    @property
    def labels(self) -> dict[Entry, str]:
        """Short names: the method, and of the rest what differs between entries."""
        parts = ("backbone", "train_on", "folder")
        telling = [part for part in parts if len({getattr(entry, part) for entry in self.entries}) > 1]
        return {
            entry: ", ".join(
                word
                for word in (entry.method, entry.inference, entry.warning, *(getattr(entry, p) for p in telling))
                if word
            )
            for entry in self.entries
        }

    @property
    def leaky(self) -> bool:
        """Whether a recording stands in two splits."""
        return any(e["leaky"] for e in self.evaluations)

    @property
    def selected_on_test(self) -> bool:
        """Whether any row's best epoch was chosen on the test split."""
        return any(entry.warning for entry in self.entries)


def gather(runs: Sequence[Run]) -> list[Results]:
    """The evaluations found, by manifest.

    Raises UserError where there are none, where they come from an earlier version, and where one name stands for
    different data.
    """
    found = [(run, evaluation) for run in runs for evaluation in _evaluations(run)]
    if not found:
        raise UserError("no run has been evaluated yet; avtrain eval RUN does it")
    by_manifest: dict[str, list[tuple[Run, Evaluation]]] = defaultdict(list)
    for run, evaluation in found:
        by_manifest[evaluation["manifest"]].append((run, evaluation))
    return [_results(manifest, scored) for manifest, scored in by_manifest.items()]


def own_scenarios(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Those of the manifest trained on, as it writes them."""
    return [e for e in evaluations if e["listed"] and e["other_manifest"] is None]


def by_field_order(scenarios: Sequence[str]) -> tuple[str, ...]:
    """Each once; C, A, V, D first, as the field writes them."""
    return tuple(sorted(dict.fromkeys(scenarios), key=lambda name: (name[0] not in "CAVD", "CAVD".find(name[0]), name)))


def _evaluations(run: Run) -> list[Evaluation]:
    found = run.evaluations()
    if any("inference" not in evaluation for evaluation in found):
        raise UserError(
            f"{run}/eval: written by an earlier version of avtrain, and says too little for a report; "
            f"delete that folder, then avtrain eval {run}"
        )
    return found


def _results(manifest: str, scored: Sequence[tuple[Run, Evaluation]]) -> Results:
    _same_conditions(manifest, [evaluation for _, evaluation in scored])
    by_folder: dict[tuple[str, Entry], list[tuple[Run, Evaluation]]] = defaultdict(list)
    for run, e in scored:
        selected_on = e.get("selected_on", "validation")  # earlier versions knew nothing else
        entry = Entry(e["method"], e["backbone"], e["train_on"], e["inference"], selected_on)
        by_folder[e["run"].split("/", 1)[0], entry].append((run, e))
    alike = Counter(entry for _, entry in by_folder)
    entries = {
        replace(entry, folder=folder) if alike[entry] > 1 else entry: found
        for (folder, entry), found in by_folder.items()
    }
    return Results(
        manifest,
        {entry: [evaluation for _, evaluation in found] for entry, found in entries.items()},
        {entry: list({run.folder: run for run, _ in found}.values()) for entry, found in entries.items()},
    )


def _same_conditions(manifest: str, evaluations: Sequence[Evaluation]) -> None:
    """Refuse to put side by side what was scored on different data under one name."""
    first: dict[tuple[str | None, str], Evaluation] = {}
    for e in evaluations:
        other = first.setdefault((e["other_manifest"], e["scenario"]), e)
        if any(e.get(key) != other.get(key) for key in ("scenario_hash", "split", "content")):
            raise UserError(
                f"manifest {manifest}: {e['run']} and {other['run']} were scored on different data both called "
                f"{e['scenario']} (rows, spec, seed, op version or split differ); report them in folders of their own, "
                "or fit and eval one again"
            )
