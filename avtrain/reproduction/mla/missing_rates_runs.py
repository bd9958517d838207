"""The runs of MLA's Table 2, trained and scored in one process, and the accuracies read from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest import Manifest
from avtrain.data.masks import MissingShares
from avtrain.device import Machine
from avtrain.evaluation.conditions import EvalRequest
from avtrain.evaluation.evaluate import evaluate
from avtrain.methods.registry import find_method
from avtrain.report.results import Cell, Evaluation
from avtrain.reproduction.mla.missing_rates import (
    RECIPE,
    MissingIn,
    RateCondition,
    available,
    choose_systems,
    clean_manifest,
    clean_name,
    conditions_of,
    frozen_settings,
    modalities_of,
    parse_protocols,
    systems_of,
)
from avtrain.reproduction.plan import PlannedRun, ReproductionPlan, make_plan
from avtrain.reproduction.system import System
from avtrain.runs.folder import Run
from avtrain.training.options import merged_options
from avtrain.training.start import fit_run


@dataclass(frozen=True)
class RatePlan:
    """All runs of the table, and what they are scored under.

    Attributes:
        plan: of the trainings; its manifests are those that are trained on.
        conditions: of all data sets.
        missing_in: whether modalities are missing in training too.
        manifests: of the data sets, as given.
        modalities: name of a data set's manifest -> its modalities.
    """

    plan: ReproductionPlan
    conditions: tuple[RateCondition, ...]
    missing_in: MissingIn
    manifests: tuple[Manifest, ...]
    modalities: Mapping[str, tuple[str, ...]]

    def conditions_of(self, data: str, protocol: str | None = None) -> list[RateCondition]:
        """Return the conditions of a data set, of one protocol or of all."""
        return [c for c in self.conditions if c.data == data and protocol in (None, c.protocol)]

    def runs_of(self, condition: RateCondition, system: System) -> list[PlannedRun]:
        """Return the runs of a system that are scored under a condition, in the order of seeds."""
        return [p for p in self.plan.runs if p.system == system and condition in self.scored(p)]

    def scored(self, planned: PlannedRun) -> list[RateCondition]:
        """Return the conditions that a run is scored under: its own, or all of its data set after clean training."""
        if self.missing_in == "train-and-test":
            return [c for c in self.conditions if c.manifest.name == planned.config.manifest.name]
        return [c for c in self.conditions if clean_name(c.data) == planned.config.manifest.name]


@dataclass(frozen=True)
class RateTable:
    """The accuracies of one data set under one protocol.

    Attributes:
        data: name of the data set's manifest.
        protocol: name of the missing protocol.
        conditions: columns.
        shares: what is really missing in the test split, one a column.
        rows: system -> accuracies on the test split, one a column, each of all seeds.
    """

    data: str
    protocol: str
    conditions: tuple[RateCondition, ...]
    shares: tuple[MissingShares, ...]
    rows: Mapping[System, tuple[Cell, ...]]

    def area(self, system: System) -> Cell | None:
        """Return the area under the accuracy over the achieved rate, divided by the range of rates, one a seed.

        That is the mean accuracy over the rates between the lowest and the highest; None where all are the same.
        """
        x = np.array([shares.cells_missing for shares in self.shares])
        order = np.argsort(x, kind="stable")
        width = float(np.ptp(x))
        if not width:
            return None
        by_seed = np.array([cell.values for cell in self.rows[system]])[order]  # [rates, seeds]
        return Cell(tuple(float(np.trapezoid(values, x[order]) / width) for values in by_seed.T))

    def score(self, system: System) -> Cell:
        """Return what systems are ranked by: the area, or the mean accuracy where there is none."""
        found = self.area(system)
        if found is not None:
            return found
        return Cell(tuple(float(v) for v in np.mean([cell.values for cell in self.rows[system]], axis=0)))


def make_rate_plan(
    manifests: Sequence[Manifest],
    protocols: Sequence[str],
    missing_in: MissingIn,
    methods: str,
    rates: Sequence[float],
    seeds: Sequence[int],
    options: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> RatePlan:
    """Return the plan of all runs; every option is checked before any run is made.

    Args:
        manifests: of data sets, with different names.
        protocols: values of `--protocol`.
        missing_in: whether modalities are missing in training too.
        methods: value of `--methods`.
        rates: nominal, 0 to 1.
        seeds: one run per condition, system and seed.
        options: of every fit, by the user; None counts as not given.
        settings: method -> options of its fits, by the user.
        out: folder that gets `runs/`.

    Raises:
        UsageError: an option is wrong.
        UserError: a data set is not there.
    """
    names = [manifest.name for manifest in manifests]
    if len(set(names)) < len(names):
        raise UsageError(f"manifests named {', '.join(names)}: the tables need different names; give each its own")
    modalities = {manifest.name: modalities_of(manifest) for manifest in manifests}
    conditions = tuple(
        condition
        for manifest in manifests
        for condition in conditions_of(
            manifest, parse_protocols(protocols, modalities[manifest.name], manifest.name), rates
        )
    )
    clean = missing_in == "test"
    every = systems_of("clean" if clean else "scenarios")
    systems, known = choose_systems(methods, every), available(every)
    own = frozen_settings(known)
    plan = make_plan(
        [clean_manifest(manifest) for manifest in manifests] if clean else [c.manifest for c in conditions],
        systems,
        seeds,
        merged_options(RECIPE, options),
        {name: merged_options(own.get(name, {}), settings.get(name, {})) for name in dict.fromkeys((*own, *settings))},
        out,
        known=known,
        scored_on="clean" if clean else "scenarios",
    )
    return RatePlan(plan, conditions, missing_in, tuple(manifests), modalities)


def run_all(rates: RatePlan, machine: Machine, resume: str, say: Callable[[str], None]) -> None:
    """Train every run that is not finished, and score every run that is not scored.

    Args:
        rates: the plan.
        machine: where runs are computed.
        resume: auto, restart or never: what happens to a run that was started before.
        say: receives one line a run.
    """
    for number, planned in enumerate(rates.plan.runs, 1):
        said = fit_run(planned.folder, planned.config, machine, resume, None)
        say(f"{number}/{len(rates.plan.runs)} {said.splitlines()[0]}")
        for condition in rates.scored(planned):
            if _find(planned.run, condition, rates.missing_in) is None:
                evaluate(planned.run, _request(condition, rates.missing_in), machine, planned.config.fit.precision)


def collect(rates: RatePlan) -> list[RateTable]:
    """Read the accuracies of all runs; one table a data set and protocol.

    Args:
        rates: the plan, with all runs finished and scored.

    Raises:
        UserError: two runs were scored on different masks or rows.
    """
    keys = dict.fromkeys((c.data, c.protocol) for c in rates.conditions)
    return [_table(rates, data, protocol) for data, protocol in keys]


def inference_of(method: str) -> str | None:
    """Return the inference mode whose scores stand in the table: the last that is not given the true scenario."""
    modes = find_method(method).inference_modes
    return next((mode for mode in reversed(modes) if mode != "oracle"), None)


def _table(rates: RatePlan, data: str, protocol: str) -> RateTable:
    conditions = tuple(rates.conditions_of(data, protocol))
    shares = []
    rows: dict[System, list[Cell]] = {system: [] for system in rates.plan.systems}
    for condition in conditions:
        scores = {
            system: [(planned.folder, _found(planned.run, condition, rates.missing_in)) for planned in runs]
            for system in rates.plan.systems
            if (runs := rates.runs_of(condition, system))
        }
        first = _require_same_masks([each for found in scores.values() for each in found])
        shares.append(MissingShares(first["cells_missing"], first["complete"]))
        for system, found in scores.items():
            rows[system].append(Cell(tuple(e["accuracy"] for _, e in found)))
    return RateTable(data, protocol, conditions, tuple(shares), {s: tuple(cells) for s, cells in rows.items()})


def _require_same_masks(scored: Sequence[tuple[Path, Evaluation]]) -> Evaluation:
    """Return the first evaluation, once all are of the same rows with the same masks."""
    folder, first = scored[0]
    for other, e in scored:
        if (e["masks"], e["content"]) != (first["masks"], first["content"]):
            raise UserError(
                f"{folder} and {other}: scored under {e['scenario']} on different masks or rows, so they cannot stand "
                "in one table; avtrain eval scores them again, or --resume restart trains them again"
            )
    return first


def _request(condition: RateCondition, missing_in: MissingIn) -> EvalRequest:
    return EvalRequest(manifest=None if missing_in == "train-and-test" else condition.manifest)


def _find(run: Run, condition: RateCondition, missing_in: MissingIn) -> Evaluation | None:
    """Return the scores of a run under a condition, of the inference mode that the table shows; None without any."""
    other = None if missing_in == "train-and-test" else condition.manifest.name
    mode = inference_of(run.config().fit.method)
    wanted = (other, condition.scenario, mode, condition.manifest.scenario_hash(condition.scenario))
    for e in run.evaluations():
        if (e["other_manifest"], e["scenario"], e["inference"], e["scenario_hash"]) == wanted and "masks" in e:
            return e
    return None


def _found(run: Run, condition: RateCondition, missing_in: MissingIn) -> Evaluation:
    found = _find(run, condition, missing_in)
    if found is None:
        raise UserError(f"{run}: has no scores under {condition.scenario} of {condition.protocol}; start it again")
    return found
