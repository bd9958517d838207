"""Evaluations as `avtrain eval` wrote them, grouped by manifest and by what was trained and how it infers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from avbuild.errors import UsageError, UserError, listed, nearest
from avtrain.config import SELECTED_ON_TEST
from avtrain.runs.folder import Run

Evaluation = dict[str, Any]
RUN_FOLDER = "run_folder"  # key that `gather` adds to each evaluation: the path of its run's folder


@dataclass(frozen=True)
class Entry:
    """The runs behind a row of a table: runs that differ only in their seed, with one kind of inference.

    Attributes:
        method: name of the method.
        backbone: name of the backbone.
        train_on: what it was trained on: "scenarios" or "clean".
        inference: how prompts are chosen: "oracle", "concat" or "router"; None for methods without prompts.
        selected_on: the split that chose the best epoch.
        folder: the folder of the runs, where nothing else distinguishes two entries.
    """

    method: str
    backbone: str
    train_on: str
    inference: str | None
    selected_on: str = "validation"
    folder: str = ""

    def __str__(self) -> str:
        details = f", {self.inference}" if self.inference else ""
        details += f", {self.warning}" if self.warning else ""
        folder = f" {self.folder}" if self.folder else ""
        return f"{self.method} ({self.backbone}, trained on {self.train_on}{details}){folder}"

    @property
    def warning(self) -> str:
        """Return what must be written beside every number of these runs; empty if selected on validation."""
        return SELECTED_ON_TEST if self.selected_on == "test" else ""


@dataclass(frozen=True)
class Cell:
    """Values of one entry in one column of a table, one a seed; accuracies are from 0 to 1."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Return the mean over seeds."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float | None:
        """Return the sample standard deviation over seeds; None for a single seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float]:
        """Return mean - std and mean + std; the mean twice for a single seed."""
        std = self.std or 0.0
        return self.mean - std, self.mean + std

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {100 * self.std:.1f}"
        return f"{100 * self.mean:.1f}{spread}"


@dataclass(frozen=True)
class Results:
    """All evaluations of the runs of one manifest.

    Attributes:
        manifest: name of the manifest trained on.
        entries: evaluations by entry.
        runs: the evaluated runs by entry.
    """

    manifest: str
    entries: Mapping[Entry, Sequence[Evaluation]]
    runs: Mapping[Entry, Sequence[Run]]

    @property
    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations of all entries."""
        return [evaluation for evaluations in self.entries.values() for evaluation in evaluations]

    @property
    def labels(self) -> dict[Entry, str]:
        """Return a short name for each entry: the method, and whatever else differs between entries."""
        candidates = ("backbone", "train_on", "folder")
        differing = [name for name in candidates if len({getattr(entry, name) for entry in self.entries}) > 1]
        return {
            entry: ", ".join(
                word
                for word in (entry.method, entry.inference, entry.warning, *(getattr(entry, n) for n in differing))
                if word
            )
            for entry in self.entries
        }

    @property
    def leaky(self) -> bool:
        """Return whether a recording is in two splits."""
        return any(e["leaky"] for e in self.evaluations)

    @property
    def selected_on_test(self) -> bool:
        """Return whether the best epoch of any entry was chosen on the test split."""
        return any(entry.warning for entry in self.entries)


def gather(runs: Sequence[Run]) -> list[Results]:
    """Return the evaluations of all runs, grouped by the manifest trained on.

    Raises UserError where no run has been evaluated, where evaluations come from an earlier version, and where one
    name stands for different data.
    """
    evaluated = [(run, evaluation) for run in runs for evaluation in _evaluations(run)]
    if not evaluated:
        raise UserError("no run has been evaluated yet; avtrain eval RUN does it")
    by_manifest: dict[str, list[tuple[Run, Evaluation]]] = defaultdict(list)
    for run, evaluation in evaluated:
        by_manifest[evaluation["manifest"]].append((run, evaluation))
    return [_results(manifest, of_manifest) for manifest, of_manifest in by_manifest.items()]


def find_entry(results: Results, name: str, option: str) -> Entry:
    """Return the entry of a name that a user gave: the label in charts, the full name, or the method.

    Args:
        results: with the entries.
        name: as given.
        option: that it was given with, for the error.

    Raises:
        UsageError: none has the name, or several.
    """
    labels = results.labels
    named = [e for e in labels if name in (labels[e], str(e))] or [e for e in labels if name in (e.method, e.folder)]
    if len(named) == 1:
        return named[0]
    found = "several are named so" if named else f"nothing here is named so{nearest(name, labels.values())}"
    raise UsageError(f"{option} {name}: {found}; allowed are\n{listed([labels[e] for e in named or labels])}")


def own_scenarios(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the evaluations on scenarios that the manifest trained on lists by name."""
    return [e for e in evaluations if e["listed"] and e["other_manifest"] is None]


def scenario_order(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    """Return each scenario once, in the order of its manifest; in `display_order` where no evaluation says it.

    A severity follows the scenario that it is made from.
    """
    places: dict[str, tuple[int, int]] = {}
    for e in evaluations:
        if "position" in e:
            places.setdefault(e["scenario"], (e["position"], e["severity"] or 0))
    known = sorted(places, key=lambda name: places[name])
    return (*known, *display_order([e["scenario"] for e in evaluations if e["scenario"] not in places]))


def display_order(scenarios: Sequence[str]) -> tuple[str, ...]:
    """Return each scenario once: names that begin with C, A, V, D first, as published tables have them."""
    return tuple(sorted(dict.fromkeys(scenarios), key=lambda name: (name[0] not in "CAVD", "CAVD".find(name[0]), name)))


def _evaluations(run: Run) -> list[Evaluation]:
    evaluations = run.evaluations()
    if any("inference" not in evaluation for evaluation in evaluations):
        raise UserError(
            f"{run}/eval: written by an earlier version of avtrain, and lacks what a report needs; "
            f"delete that folder, then avtrain eval {run}"
        )
    return [evaluation | {RUN_FOLDER: run.folder} for evaluation in evaluations]


def _results(manifest: str, evaluated: Sequence[tuple[Run, Evaluation]]) -> Results:
    _refuse_different_data(manifest, [evaluation for _, evaluation in evaluated])
    by_folder: dict[tuple[str, Entry], list[tuple[Run, Evaluation]]] = defaultdict(list)
    for run, e in evaluated:
        selected_on = e.get("selected_on", "validation")  # earlier versions offered nothing else
        entry = Entry(e["method"], e["backbone"], e["train_on"], e["inference"], selected_on)
        by_folder[e["run"].split("/", 1)[0], entry].append((run, e))
    folders = Counter(entry for _, entry in by_folder)
    entries = {
        replace(entry, folder=folder) if folders[entry] > 1 else entry: of_entry
        for (folder, entry), of_entry in by_folder.items()
    }
    return Results(
        manifest,
        {entry: [evaluation for _, evaluation in of_entry] for entry, of_entry in entries.items()},
        {entry: list({run.folder: run for run, _ in of_entry}.values()) for entry, of_entry in entries.items()},
    )


def _refuse_different_data(manifest: str, evaluations: Sequence[Evaluation]) -> None:
    """Raise UserError where one scenario's name stands for different data."""
    first: dict[tuple[str | None, str], Evaluation] = {}
    for e in evaluations:
        other = first.setdefault((e["other_manifest"], e["scenario"]), e)
        if any(e.get(key) != other.get(key) for key in ("scenario_hash", "split", "content")):
            raise UserError(
                f"manifest {manifest}: {e['run']} and {other['run']} were scored on different data both called "
                f"{e['scenario']} (rows, spec, seed, op version or split differ); report them in folders of their own, "
                "or fit and eval one again"
            )
