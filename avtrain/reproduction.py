"""`avtrain reproduce poster`: which runs the poster's tables need, and making them with what fit and eval call."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.manifest import Manifest
from avbuild.presets import SCENARIO_SETS
from avtrain.config import FitConfig, RunConfig, fit_config
from avtrain.evaluation import evaluate
from avtrain.launch import fit_run
from avtrain.machine import Machine
from avtrain.methods import find_method
from avtrain.runs import Run
from avtrain.training import clean_scenario
from avtrain.trials import Asked

FAIR = "fair"  # the scenarios as the manifest has them
REGIMES = ("scenarios", "both")
DECIDED = ("method", "train_on", "init_from", "seed")  # by the plan
SHARED = ("backbone", "backbone_options")  # by all runs, or their rows could not stand side by side


class System(Frozen):
    """A row of the tables: a method, what it is trained on and what it starts from."""

    name: str
    method: str
    train_on: Literal["scenarios", "clean"] = "scenarios"
    init_from: str | None = None  # the system whose run of the same seed it starts from; None: the pretrained backbone


METHODS = ("finetune", "linear-probe", "lora", "adapter", "map", "spiking", "prompt")
SYSTEMS = (
    System(name="finetune-clean", method="finetune", train_on="clean"),  # most likely the poster's row CAV-MAE
    *(System(name=method, method=method) for method in METHODS),
    System(name="prompt-from-finetune", method="prompt", init_from="finetune-clean"),  # as published
)
ALSO_CLEAN = tuple(System(name=f"{method}-clean", method=method, train_on="clean") for method in METHODS[1:])


class PlannedRun(Frozen):
    """One training and its evaluation."""

    system: System
    folder: Path
    config: RunConfig

    @property
    def run(self) -> Run:
        """Where it is kept."""
        return Run(self.folder)


class Plan(Frozen):
    """All that decides a reproduction; runs stand after those they start from."""

    preset: str
    epochs_scale: float
    manifests: tuple[Manifest, ...]
    systems: tuple[System, ...]
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]

    def runs_of(self, manifest: Manifest, system: System) -> list[Run]:
        """One a seed."""
        return [p.run for p in self.runs if p.config.manifest.name == manifest.name and p.system == system]

    def config_of(self, manifest: Manifest, system: System) -> FitConfig:
        """That of the first seed; others differ by their seed alone."""
        return next(p.config.fit for p in self.runs if p.config.manifest.name == manifest.name and p.system == system)


def make_plan(
    manifests: Sequence[Manifest],
    systems: Sequence[System],
    seeds: Sequence[int],
    preset: str,
    options: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    epochs_scale: float,
    out: Path,
) -> Plan:
    """The runs, all of them checked before any is made.

    options: of every fit.  settings: by the name of a method, for all its systems, or of one system; they come on top.
    Raises UsageError.
    """
    if epochs_scale <= 0:
        raise UsageError(f"--epochs-scale {epochs_scale:g}: must be above 0; 1 keeps each method's epochs")
    tested = tuple(with_preset(manifest, preset) for manifest in manifests)
    names = [manifest.name for manifest in tested]
    if len(set(names)) < len(names):
        raise UsageError(f"manifests named {', '.join(names)}: tables are told apart by name; give each its own")
    known = list(dict.fromkeys(word for s in (*SYSTEMS, *ALSO_CLEAN) for word in (s.method, s.name)))
    if unknown := [name for name in settings if name not in known]:
        raise UsageError(f"--settings: no method {unknown[0]}{nearest(unknown[0], known)}; known: {', '.join(known)}")
    _refuse_decided("--set", options, DECIDED)
    for name, own in settings.items():
        _refuse_decided(f"--settings {name}", own, (*DECIDED, *SHARED))
    runs = []
    for manifest in tested:
        if any(system.train_on == "clean" for system in systems):
            clean_scenario(manifest)
        for system in systems:
            place = out / "runs" / f"{manifest.name}-{system.name}"
            source = None if system.init_from is None else out / "runs" / f"{manifest.name}-{system.init_from}"
            fit = _config(system, options, settings, epochs_scale, source)
            for seed in seeds:
                config = RunConfig(fit=fit.model_copy(update={"seed": seed}), manifest=manifest)
                runs.append(PlannedRun(system=system, folder=place / f"seed{seed}", config=config))
    return Plan(
        preset=preset,
        epochs_scale=epochs_scale,
        manifests=tested,
        systems=tuple(systems),
        seeds=tuple(seeds),
        runs=tuple(runs),
    )


def choose_systems(methods: str, regimes: str) -> tuple[System, ...]:
    """All systems of the methods named, `all` for every one, and what they start from.  Raises UsageError.

    regimes: `scenarios`, where only fine-tuning is trained on clean data too; or `both`, every method.
    """
    if regimes not in REGIMES:
        raise UsageError(f"--regimes {regimes}: allowed are {', '.join(REGIMES)}")
    asked = METHODS if methods == "all" else [name.strip() for name in methods.split(",")]
    if unknown := [name for name in asked if name not in METHODS]:
        raise UsageError(
            f'--methods: no "{unknown[0]}"{nearest(unknown[0], METHODS)}; allowed: all, or some of {", ".join(METHODS)}'
        )
    there = (*SYSTEMS, *ALSO_CLEAN) if regimes == "both" else SYSTEMS
    chosen = [system for system in there if system.method in asked]
    needed = {system.name for system in chosen} | {system.init_from for system in chosen}
    return tuple(system for system in there if system.name in needed)


def with_preset(manifest: Manifest, preset: str) -> Manifest:
    """The manifest under a preset's scenarios, and a name that says so; as it is for `fair`.  Raises UsageError."""
    if preset == FAIR:
        return manifest
    if preset not in SCENARIO_SETS:
        allowed = (FAIR, *SCENARIO_SETS)
        raise UsageError(f'--preset: no "{preset}"{nearest(preset, allowed)}; allowed: {", ".join(allowed)}')
    swapped = {"name": f"{manifest.name}-{preset}", "scenarios": SCENARIO_SETS[preset]}
    return Manifest.model_validate(manifest.as_yaml() | swapped)


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """A YAML file: method or system -> options as a run's config.yaml has them under `fit`.  Raises UsageError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--settings {path}: no such file") from None
    except yaml.YAMLError as error:
        raise UsageError(f"--settings {path}: not YAML: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise UsageError(f"--settings {path}: write  METHOD: {{lr: 0.001, epochs: 20, method_options: {{...}}}}")
    return {str(name): value for name, value in content.items()}


def reproduce(plan: Plan, machine: Machine, resume: str, say: Callable[[str], None]) -> None:
    """Train and score every run that is not yet."""
    for planned in plan.runs:
        fit = planned.config.fit
        source = None if fit.init_from is None else Path(fit.init_from)
        say(fit_run(planned.folder, planned.config, machine, resume, source))
        if not scored(planned):
            evaluate(planned.run, Asked(), machine, "fp32")


def scored(planned: PlannedRun) -> bool:
    """Whether every scenario has been scored each way the method infers, on the very data of its manifest."""
    manifest = planned.config.manifest
    modes = find_method(planned.system.method).inference_modes or (None,)
    there = {
        (e["scenario"], e["inference"], e["scenario_hash"])
        for e in planned.run.evaluations()
        if e["other_manifest"] is None
    }
    return all((name, mode, manifest.scenario_hash(name)) in there for name in manifest.scenarios for mode in modes)


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
    for name in dict.fromkeys((system.method, system.name)):
        own = settings.get(name, {})
        merged = {**given.get("method_options", {}), **own.get("method_options", {})}
        given |= {**own, "method_options": merged}
    start = None if source is None else str(source)
    given |= {"method": system.method, "train_on": system.train_on, "init_from": start}
    config = fit_config(given)
    return config.model_copy(update={"epochs": max(1, round(config.epochs * epochs_scale))})
