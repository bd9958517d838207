"""Which runs a published table needs: systems by seeds, all of them checked before any is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.manifest_file import read_yaml
from avtrain.config import SELECTED_ON_TEST, FitConfig, RunConfig, Selection, selection_suffix
from avtrain.data.regimes import clean_scenario
from avtrain.runs.folder import Run
from avtrain.training.options import fit_config

DECIDED = ("method", "train_on", "select_on", "init_from", "seed")  # by the plan
SHARED = ("backbone", "backbone_options")  # by all runs, or their rows could not stand side by side


class System(Frozen):
    """A row of the tables: a method, what it is trained and selected on and what it starts from."""

    name: str
    method: str
    train_on: Literal["scenarios", "clean"] = "scenarios"
    select_on: Selection = "validation"
    init_from: str | None = None  # the system whose run of the same seed it starts from; None: the pretrained backbone
    method_options: tuple[tuple[str, str], ...] = ()  # that make it this row; no setting may change them

    @property
    def row(self) -> str:
        """Its name, whatever it is selected on."""
        return self.name.removesuffix(selection_suffix(self.select_on))


def also_selected_on_test(systems: Sequence[System]) -> tuple[System, ...]:
    """Each system followed by the same one whose best epoch is chosen on test.  None of them starts from another."""
    flattered = {"select_on": "test"}
    return tuple(
        kind
        for system in systems
        for kind in (system, system.model_copy(update=flattered | {"name": system.name + selection_suffix("test")}))
    )


class PlannedRun(Frozen):
    """One training and its evaluation."""

    system: System
    folder: Path
    config: RunConfig

    @property
    def run(self) -> Run:
        """Where it is kept."""
        return Run(self.folder)

    def __str__(self) -> str:
        fit = self.config.fit
        options = ", ".join(f"{key} {value}" for key, value in self.system.method_options)
        trained = f"{fit.method}{f' ({options})' if options else ''} on {fit.train_on}"
        marks = f", {SELECTED_ON_TEST}" if fit.select_on == "test" else ""
        source = f", from {fit.init_from}" if fit.init_from else ""
        return f"{self.folder}: {trained}, {fit.epochs} epochs, lr {fit.lr:g}{marks}{source}"


class ReproductionPlan(Frozen):
    """All that decides a reproduction; runs stand after those they start from."""

    epochs_scale: float
    scored_on: Literal["scenarios", "clean"]
    manifests: tuple[Manifest, ...]
    systems: tuple[System, ...]
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]

    def runs_of(self, manifest: Manifest, system: System) -> list[Run]:
        """One a seed."""
        return [p.run for p in self.runs if p.config.manifest.name == manifest.name and p.system == system]

    def scenarios_of(self, manifest: Manifest) -> tuple[str, ...]:
        """What its runs are scored under."""
        return tuple(manifest.scenarios) if self.scored_on == "scenarios" else (clean_scenario(manifest),)

    def config_of(self, manifest: Manifest, system: System) -> FitConfig:
        """That of the first seed; others differ by their seed alone."""
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
    """The runs, all of them checked before any is made.

    options: of every fit.  settings: by the name of a method, for all its systems, or of one system; they come on top.
    known: all systems that settings may name, chosen or not.  scored_on: the scenarios, or the clean one alone.
    Raises UsageError.
    """
    if epochs_scale <= 0:
        raise UsageError(f"--epochs-scale {epochs_scale:g}: must be above 0; 1 keeps each method's epochs")
    names = [manifest.name for manifest in manifests]
    if len(set(names)) < len(names):
        raise UsageError(f"manifests named {', '.join(names)}: tables are told apart by name; give each its own")
    words = list(dict.fromkeys(word for system in known for word in (system.method, system.row)))
    if unknown := [name for name in settings if name not in words]:
        raise UsageError(f"--settings: no method {unknown[0]}{nearest(unknown[0], words)}; known: {', '.join(words)}")
    _refuse_decided("--set", options, DECIDED)
    for name, own in settings.items():
        _refuse_decided(f"--settings {name}", own, (*DECIDED, *SHARED))
    runs = []
    for manifest in manifests:
        if scored_on == "clean" or any(system.train_on == "clean" for system in systems):
            clean_scenario(manifest)
        for system in systems:
            place = out / "runs" / f"{manifest.name}-{system.name}"
            source = None if system.init_from is None else out / "runs" / f"{manifest.name}-{system.init_from}"
            fit = _config(system, options, settings, epochs_scale, source)
            for seed in seeds:
                config = RunConfig(fit=fit.model_copy(update={"seed": seed}), manifest=manifest)
                runs.append(PlannedRun(system=system, folder=place / f"seed{seed}", config=config))
    return ReproductionPlan(
        epochs_scale=epochs_scale,
        scored_on=scored_on,
        manifests=tuple(manifests),
        systems=tuple(systems),
        seeds=tuple(seeds),
        runs=tuple(runs),
    )


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """A YAML file: method or system -> options as a run's config.yaml has them under `fit`.  Raises UsageError."""
    try:
        content = yaml.safe_load(read_yaml(str(path), "file of --settings"))
    except yaml.YAMLError as error:
        raise UsageError(f"--settings {path}: not YAML: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise UsageError(f"--settings {path}: write  METHOD: {{lr: 0.001, epochs: 20, method_options: {{...}}}}")
    return {str(name): value for name, value in content.items()}


def _refuse_decided(where: str, given: Mapping[str, Any], decided: Sequence[str]) -> None:
    if wrong := [key for key in given if key in decided]:
        raise UsageError(
            f"{where}: {', '.join(wrong)} cannot be set for single runs here; a method's own options are "
            "method_options (--set method.KEY=VALUE), the backbone's --set backbone.KEY=VALUE"
        )


def _config(
    system: System,
    options: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    epochs_scale: float,
    source: Path | None,
) -> FitConfig:
    """A fit's options: those of all fits, then those of its method, then its own."""
    given = dict(options)
    for name in dict.fromkeys((system.method, system.row)):  # both selections of a row are trained alike
        own = settings.get(name, {})
        merged = {**given.get("method_options", {}), **own.get("method_options", {})}
        given |= {**own, "method_options": merged}
    fixed = dict(system.method_options)
    if wrong := [key for key in given.get("method_options", {}) if key in fixed]:
        raise UsageError(f"{system.name}: its row of the table decides {', '.join(wrong)}; leave out method.{wrong[0]}")
    given |= {
        "method": system.method,
        "method_options": given.get("method_options", {}) | fixed,
        "train_on": system.train_on,
        "select_on": system.select_on,
        "init_from": None if source is None else str(source),
    }
    config = fit_config(given)
    return config.model_copy(update={"epochs": max(1, round(config.epochs * epochs_scale))})
