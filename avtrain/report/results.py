"""Evaluations as `avtrain eval` wrote them, grouped by manifest and by what was trained and how it infers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from avbuild.errors import UsageError, UserError, listed, nearest
from avtrain.config import SELECTED_ON_TEST
from avtrain.runs.folder import Run
from avtrain.runs.layout import siblings_folder

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
        manifest: name of the manifest trained on, and the number of folds of a cross-validation.
        entries: evaluations by entry.
        runs: the evaluated runs by entry.
        folds: all folds of a cross-validation, each tested by runs of its own; empty for a single test split.
    """

    manifest: str
    entries: Mapping[Entry, Sequence[Evaluation]]
    runs: Mapping[Entry, Sequence[Run]]
    folds: tuple[int, ...] = ()

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
    by_manifest: dict[tuple[str, tuple[int, ...]], list[tuple[Run, Evaluation]]] = defaultdict(list)
    for run, evaluation in evaluated:
        by_manifest[evaluation["manifest"], folds_of(evaluation)].append((run, evaluation))
    return [_results(manifest, folds, of_manifest) for (manifest, folds), of_manifest in by_manifest.items()]


def has_evaluations(runs: Iterable[Run]) -> bool:
    """Return whether any of some runs has been evaluated."""
    return any(run.evaluations() or run.adapted_evaluations() for run in runs)


def folds_of(evaluation: Evaluation) -> tuple[int, ...]:
    """Return all folds of the cross-validation that an evaluation is part of; empty where it is part of none."""
    return tuple(evaluation.get("folds") or ())


def mean_by_repeat(evaluations: Sequence[Evaluation], key: str = "accuracy") -> dict[int, float]:
    """Return a measurement by seed; in a cross-validation by fold, the mean over the seeds of each fold.

    Args:
        evaluations: of one entry under one scenario.
        key: of the measurement.
    """
    values: dict[int, list[float]] = defaultdict(list)
    for e in evaluations:
        values[e["fold"] if folds_of(e) else e["seed"]].append(e[key])
    return {repeat: float(np.mean(found)) for repeat, found in values.items()}


def with_inference(gathered: Sequence[Results], mode: str) -> list[Results]:
    """Return results in which methods with prompts have one row each: that of one way of choosing prompts.

    Args:
        gathered: the results of each manifest, with all rows; manifests without such methods stay as they are.
        mode: the inference mode to keep, such as "router".

    Raises:
        UsageError: no row of any manifest has this mode.
    """
    modes = sorted({entry.inference for results in gathered for entry in results.entries if entry.inference})
    if mode not in modes:
        found = f"allowed are {', '.join(modes)}" if modes else "no method with prompts is among the runs"
        raise UsageError(f'--inference: no runs were evaluated with "{mode}"{nearest(mode, modes)}; {found}')
    return [_keep(results, (None, mode)) for results in gathered]


def _keep(results: Results, modes: tuple[str | None, ...]) -> Results:
    """Return results without the rows of other inference modes."""
    kept = [entry for entry in results.entries if entry.inference in modes]
    return replace(
        results,
        entries={entry: results.entries[entry] for entry in kept},
        runs={entry: results.runs[entry] for entry in kept},
    )


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
    evaluations = [*run.evaluations(), *run.adapted_evaluations()]
    if any("inference" not in evaluation for evaluation in evaluations):
        raise UserError(
            f"{run}/eval: written by an earlier version of avtrain, and lacks what a report needs; "
            f"delete that folder, then avtrain eval {run}"
        )
    return [evaluation | {RUN_FOLDER: run.folder} for evaluation in evaluations]


def _results(manifest: str, folds: tuple[int, ...], evaluated: Sequence[tuple[Run, Evaluation]]) -> Results:
    _refuse_different_data(manifest, [evaluation for _, evaluation in evaluated])
    by_folder: dict[tuple[Path, Entry], list[tuple[Run, Evaluation]]] = defaultdict(list)
    for run, e in evaluated:
        selected_on = e.get("selected_on", "validation")  # earlier versions offered nothing else
        entry = Entry(e["method"], e["backbone"], e["train_on"], e["inference"], selected_on)
        by_folder[siblings_folder(run.folder), entry].append((run, e))  # where it is now; it may have been moved
    _refuse_different_plugins(by_folder)
    folders = Counter(entry for _, entry in by_folder)
    names = _shortest_names(folder for folder, _ in by_folder)
    entries = {
        replace(entry, folder=names[folder]) if folders[entry] > 1 else entry: of_entry
        for (folder, entry), of_entry in by_folder.items()
    }
    return Results(
        f"{manifest} ({len(folds)} folds)" if folds else manifest,
        {entry: [evaluation for _, evaluation in of_entry] for entry, of_entry in entries.items()},
        {entry: list({run.folder: run for run, _ in of_entry}.values()) for entry, of_entry in entries.items()},
        folds,
    )


def _shortest_names(folders: Iterable[Path]) -> dict[Path, str]:
    """Return the last parts of each path, as many as tell all of them apart."""
    paths = list(dict.fromkeys(folders))
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = {path: "/".join(path.parts[-length:]) for path in paths}
        if len(set(names.values())) == len(paths):
            break
    return names


def _refuse_different_plugins(by_folder: Mapping[tuple[Path, Entry], Sequence[tuple[Run, Evaluation]]]) -> None:
    """Raise UserError where runs that a table would average were made with different sources of a plug-in."""
    for evaluated in by_folder.values():
        first = evaluated[0][1]
        for _, other in evaluated:
            if other.get("plugins") != first.get("plugins"):
                raise UserError(
                    f"{first['run']} and {other['run']} were trained with different plug-ins, or different sources of "
                    "one, and cannot be averaged; report them in folders of their own, or fit and eval one again"
                )


def _refuse_different_data(manifest: str, evaluations: Sequence[Evaluation]) -> None:
    """Raise UserError where one scenario's name stands for different data."""
    first: dict[tuple[str | None, str, int | None], Evaluation] = {}
    for e in evaluations:
        fold = e["fold"] if folds_of(e) else None  # every fold is another test split
        other = first.setdefault((e["other_manifest"], e["scenario"], fold), e)
        if any(e.get(key) != other.get(key) for key in ("scenario_hash", "split", "content")):
            raise UserError(
                f"manifest {manifest}: {e['run']} and {other['run']} were scored on different data both called "
                f"{e['scenario']} (rows, spec, seed, op version or split differ); report them in folders of their own, "
                "or fit and eval one again"
            )
