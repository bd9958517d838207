"""Sweeps: every combination of some options is trained, and ranked by its accuracy on the validation split."""

import csv
import io
import itertools
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from avbuild.dataset.storage import write_whole
from avbuild.errors import UsageError
from avbuild.scenarios.yaml_lines import parse
from avtrain.config import FitConfig
from avtrain.runs.folder import Run
from avtrain.runs.layout import run_folder
from avtrain.runs.weights import Diverged
from avtrain.training.options import fit_config, merged_options, parse_settings

TABLE = "sweep.csv"  # the ranked table, in the folder of the sweep
FIXED = ("method", "backbone", "seed", "select_on", "init_from")  # the same for all runs of a sweep


@dataclass(frozen=True)
class SweepPoint:
    """One combination of the options that a sweep varies.

    Attributes:
        varied: option as in --set -> value.
        config: of its runs, but for the seed.
    """

    varied: Mapping[str, Any]
    config: FitConfig

    @property
    def name(self) -> str:
        """Return the name of its folder, such as lr=0.001,method.length=4."""
        text = ",".join(f"{key}={value}" for key, value in self.varied.items())
        return re.sub(r"[^A-Za-z0-9.,=_+-]+", "_", text)


@dataclass(frozen=True)
class SweepResult:
    """The scores of the runs of one combination.

    Attributes:
        point: the combination.
        scores: best mean accuracy over the scenarios on the validation split by seed, 0 to 1.
        problem: why a run has none; empty where all have finished.
    """

    point: SweepPoint
    scores: Mapping[int, float]
    problem: str = ""

    @property
    def mean(self) -> float:
        """Return the mean over seeds; -1 where a run has no score, so that it is ranked last."""
        return -1.0 if self.problem else fmean(self.scores.values())

    @property
    def std(self) -> float | None:
        """Return the sample standard deviation over seeds; None for a single one."""
        return stdev(self.scores.values()) if len(self.scores) > 1 and not self.problem else None

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        spread = "" if self.std is None else f" ± {100 * self.std:.1f}"
        return f"{100 * self.mean:.1f}{spread}"


def parse_grid(grids: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each option that is varied.

    Args:
        grids: values of --grid, such as lr=1e-3,3e-3; a list is written in brackets.

    Raises:
        UsageError: names everything that is wrong.
    """
    found: dict[str, list[Any]] = {}
    problems = []
    for grid in grids:
        key, equals, text = grid.partition("=")
        values = parse(f"[{text}]")
        if not equals or not key or values.problems or not values.data:
            problems.append(f"--grid {grid}: write an option and its values, such as lr=0.001,0.003")
        elif key in found:
            problems.append(f"--grid {grid}: {key} is given twice; write all its values in one --grid")
        elif key in FIXED:
            problems.append(f"--grid {grid}: {key} cannot be varied; give it once, as --{key.replace('_', '-')}")
        elif len({repr(value) for value in values.data}) < len(values.data):
            problems.append(f"--grid {grid}: a value is given twice")
        else:
            found[key] = values.data
    if not grids:
        problems.append("no --grid: name what is varied, such as --grid lr=0.001,0.003")
    if problems:
        raise UsageError("\n".join(problems))
    return found


def sweep_points(grid: Mapping[str, Sequence[Any]], options: Mapping[str, Any]) -> list[SweepPoint]:
    """Return all combinations, each with its options checked.

    Args:
        grid: by `parse_grid`.
        options: the same for all; fields of `FitConfig` by name.

    Raises:
        UsageError: names every wrong option of every combination, each once.
    """
    points, problems = [], []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        given = parse_settings([f"{key}=" for key in varied])  # tells options of a method and of a backbone apart
        for key, value in varied.items():
            owner, _, option = key.partition(".")
            if f"{owner}_options" in given and option:
                given[f"{owner}_options"][option] = value
            else:
                given[key] = value
        try:
            points.append(SweepPoint(varied, fit_config(merged_options(options, given))))
        except UsageError as error:
            problems += [line for line in str(error).splitlines() if line not in problems]
    if problems:
        raise UsageError("\n".join(problems))
    return points


def run_sweep(
    folder: Path, points: Sequence[SweepPoint], seeds: Sequence[int], train: Callable[[SweepPoint, int, Path], object]
) -> list[SweepResult]:
    """Train every combination with every seed, and rank them.

    Args:
        folder: of the sweep.
        points: the combinations.
        seeds: of the runs.
        train: trains one combination with one seed in a folder, or finds that it is finished.

    Returns:
        The results, best first; a combination that diverged comes last, and says so.
    """
    results = []
    for point in points:
        scores, problem = {}, ""
        for seed in seeds:
            run = Run(run_folder(folder / point.name, seed))
            try:
                train(point, seed, run.folder)
                scores[seed] = float(run.read_json("result.json")["validation"])
            except Diverged:
                problem = f"diverged (seed {seed})"
        results.append(SweepResult(point, scores, problem))
    return sorted(results, key=lambda result: -result.mean)  # of equal ones the first of the grid stays first


def write_table(folder: Path, results: Sequence[SweepResult]) -> Path:
    """Write the ranked table as CSV into the folder of a sweep, and return its path."""
    varied = list(results[0].point.varied)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", *varied, "validation_mean", "validation_std", "n", "folder", "problem"])
    for rank, result in enumerate(results, 1):
        mean = "" if result.problem else f"{result.mean:.6f}"
        std = "" if result.std is None else f"{result.std:.6f}"
        values = [result.point.varied[key] for key in varied]
        writer.writerow([rank, *values, mean, std, len(result.scores), result.point.name, result.problem])
    write_whole(folder / TABLE, text.getvalue())
    return folder / TABLE


def fit_command(manifest: str, given: Sequence[str], point: SweepPoint) -> str:
    """Return the `avtrain fit` command of one combination.

    Args:
        manifest: as given.
        given: words of the options that all combinations share.
        point: the combination.
    """
    varied = [word for key, value in point.varied.items() for word in ("--set", f"{key}={_written(value)}")]
    return shlex.join(["avtrain", "fit", manifest, *given, *varied])


def _written(value: Any) -> str:
    """Return a value as --set reads it back."""
    return json.dumps(value) if isinstance(value, list | dict | bool | None) else str(value)
