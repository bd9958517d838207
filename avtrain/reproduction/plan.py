"""Plan of a reproduction: the runs that a published table needs, all checked before the first is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avtrain.config import SELECTED_ON_TEST, FitConfig, RunConfig
from avtrain.data.regimes import clean_scenario
from avtrain.reproduction.fit_options import check_options, planned_config
from avtrain.reproduction.system import System
from avtrain.runs.folder import Run


class PlannedRun(Frozen):
    """One run: its training and its evaluation.

    Attributes:
        system: the row of the table that it belongs to.
        folder: of the run.
        config: of the fit, with its seed, and the manifest.
    """

    system: System
    folder: Path
    config: RunConfig

    @property
    def run(self) -> Run:
        """Return the run, which need not exist yet."""
        return Run(self.folder)

    def __str__(self) -> str:
        fit = self.config.fit
        options = f" ({self.system.described_options})" if self.system.method_options else ""
        marks = f", {SELECTED_ON_TEST}" if fit.select_on == "test" else ""
        source = f", from {fit.init_from}" if fit.init_from else ""
        trained = f"{fit.method}{options} on {fit.train_on}, {fit.epochs} epochs, lr {fit.lr:g}"
        return f"{self.folder}: {trained}{marks}{source}"


class ReproductionPlan(Frozen):
    """All runs of a reproduction, and what was asked for.

    Attributes:
        epochs_scale: factor on each method's number of epochs.
        scored_on: all scenarios of a manifest, or its clean one alone.
        manifests: with different names.
        systems: rows of the table.
        seeds: one run per manifest, system and seed.
        runs: each after the one that it starts from.
    """

    epochs_scale: float
    scored_on: Literal["scenarios", "clean"]
    manifests: tuple[Manifest, ...]
    systems: tuple[System, ...]
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]

    def runs_of(self, manifest: Manifest, system: System) -> list[Run]:
        """Return the runs of a system on a manifest, in the order of seeds."""
        return [p.run for p in self.runs if p.config.manifest.name == manifest.name and p.system == system]

    def scenarios_of(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the scenarios that runs on a manifest are scored on."""
        return tuple(manifest.scenarios) if self.scored_on == "scenarios" else (clean_scenario(manifest),)

    def config_of(self, manifest: Manifest, system: System) -> FitConfig:
        """Return the configuration of a system's first seed; those of the others differ only in the seed."""
        return next(p.config.fit for p in self.runs if p.config.manifest.name == manifest.name and p.system == system)


def make_plan(
    manifests: Sequence[Manifest],
    systems: Sequence[System],
    seeds: Sequence[int],
    options: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    out: Path,
    *,
    known: Sequence[System],
    epochs_scale: float = 1.0,
    scored_on: Literal["scenarios", "clean"] = "scenarios",
) -> ReproductionPlan:
    """Return the plan of all runs; every option is checked before any run is made.

    Args:
        manifests: with different names.
        systems: rows of the table, each after the one that it starts from.
        seeds: one run per manifest, system and seed.
        options: of every fit.
        settings: method or system -> options of its fits, which replace those of every fit.
        out: folder that gets `runs/`.
        known: all systems that settings may name, chosen or not.
        epochs_scale: factor on each method's number of epochs, above 0.
        scored_on: all scenarios of a manifest, or its clean one alone.

    Raises UsageError.
    """
    if epochs_scale <= 0:
        raise UsageError(f"--epochs-scale {epochs_scale:g}: must be above 0; 1 keeps each method's epochs")
    names = [manifest.name for manifest in manifests]
    if len(set(names)) < len(names):
        raise UsageError(f"manifests named {', '.join(names)}: the tables need different names; give each its own")
    check_options(options, settings, known)
    needs_clean = scored_on == "clean" or any(system.train_on == "clean" for system in systems)
    runs: list[PlannedRun] = []
    for manifest in manifests:
        if needs_clean:
            clean_scenario(manifest)  # raises where the manifest has none
        for system in systems:
            folder = out / "runs" / f"{manifest.name}-{system.name}"
            source = None if system.init_from is None else out / "runs" / f"{manifest.name}-{system.init_from}"
            fit = planned_config(system, options, settings, epochs_scale, source)
            runs += [_planned_run(system, folder, fit, manifest, seed) for seed in seeds]
    return ReproductionPlan(
        epochs_scale=epochs_scale,
        scored_on=scored_on,
        manifests=tuple(manifests),
        systems=tuple(systems),
        seeds=tuple(seeds),
        runs=tuple(runs),
    )


def _planned_run(system: System, folder: Path, fit: FitConfig, manifest: Manifest, seed: int) -> PlannedRun:
    config = RunConfig(fit=fit.model_copy(update={"seed": seed}), manifest=manifest)
    return PlannedRun(system=system, folder=folder / f"seed{seed}", config=config)
