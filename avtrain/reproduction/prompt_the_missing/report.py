"""Results of the reproduction of *Prompt the Missing*: measurements, published numbers, and a verdict on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.dataset.build_record import BuildRecord
from avbuild.scenarios.manifest import Manifest
from avbuild.sources.kaggle import CREDIT
from avtrain.config import FitConfig
from avtrain.report.results import Cell, gather
from avtrain.report.tables import MEAN, accuracy_tables
from avtrain.reproduction.plan import ReproductionPlan
from avtrain.reproduction.prompt_the_missing.published import ACCURACIES, DATA, EFFICIENCY, PROMPT, Accuracy, Efficiency
from avtrain.reproduction.prompt_the_missing.recipe import PROMPT_METHOD, PROMPT_RECIPE
from avtrain.reproduction.prompt_the_missing.verdicts import PromptSetting, judge_accuracy, judge_efficiency
from avtrain.reproduction.recipe import differences
from avtrain.reproduction.run import builds, devices
from avtrain.reproduction.system import System
from avtrain.reproduction.verdict import Verdict
from avtrain.runs.cost import Cost, cost

FULL = "finetune"  # what ratios are relative to: all weights are trained, on the same draws as the prompts


@dataclass(frozen=True)
class SystemRow:
    """Accuracies of one system with one way of inference.

    Attributes:
        system: row of the plan.
        inference: how prompts are chosen: "oracle", "concat" or "router"; None for a method without prompts.
        cells: accuracies by scenario; "mean" too if the scenarios are C, A, V and D.
    """

    system: System
    inference: str | None
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class JudgedAccuracy:
    """A published accuracy, the one measured here (None: not measured), and the verdict."""

    claim: Accuracy
    measured: Cell | None
    verdict: Verdict


@dataclass(frozen=True)
class JudgedEfficiency:
    """A published time, size or ratio, the one measured here (None: not measured), and the verdict."""

    claim: Efficiency
    measured: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ManifestTables:
    """The tables of one manifest.

    Attributes:
        manifest: with the scenarios that were used.
        setting: circumstances that decide what can be compared.
        rows: accuracies.
        accuracies: verdicts on published accuracies.
        costs: cost of training, by name of the system.
        efficiency: verdicts on published times, sizes and ratios.
        devices: that the runs were made with, as text.
    """

    manifest: Manifest
    setting: PromptSetting
    rows: Sequence[SystemRow]
    accuracies: Sequence[JudgedAccuracy]
    costs: Mapping[str, Cost]
    efficiency: Sequence[JudgedEfficiency]
    devices: Sequence[str]


def is_fair(manifest: Manifest) -> bool:
    """Return whether D corrupts audio exactly as A does and images exactly as V does."""
    scenarios = manifest.scenarios
    if not {"A", "V", "D"} <= set(scenarios):
        return False
    return dict(scenarios["D"].plans) == {**scenarios["A"].plans, **scenarios["V"].plans}


def collect(plan: ReproductionPlan, preset: str) -> list[ManifestTables]:
    """Read the finished runs of a plan, and judge every published number.

    Args:
        plan: with all runs finished and scored.
        preset: the scenarios of its manifests: "fair", "poster" or "poster-fixed".
    """
    pairs = zip(plan.manifests, builds(plan), strict=True)
    return [_manifest_tables(plan, manifest, build, preset) for manifest, build in pairs]


def setting_of(plan: ReproductionPlan, manifest: Manifest, build: BuildRecord, preset: str) -> PromptSetting:
    """Return the circumstances that decide what the measurements on a manifest can be compared with.

    Args:
        plan: of all runs.
        manifest: one of the plan's.
        build: build record of its data set.
        preset: the scenarios of the manifest.
    """
    options = plan.config_of(manifest, plan.systems[0])
    size, weights = _cav_mae(options)
    return PromptSetting(
        data=build.name,
        their_pairs=any(source.homepage == CREDIT.homepage for source in build.sources),
        row_split=manifest.split.leaky or build.leaky,
        preset=preset,
        backbone=options.backbone,
        size=size,
        weights=weights,
        epochs_scale=plan.epochs_scale,
        differences=tuple((s.name, recipe_differences(plan, manifest, s)) for s in plan.systems),
    )


def recipe_differences(plan: ReproductionPlan, manifest: Manifest, system: System) -> tuple[str, ...]:
    """Return the differences of a system's configuration from the recipe of the released code, which is of prompts."""
    if system.method != PROMPT_METHOD:
        return ()
    fit, published = plan.config_of(manifest, system), PROMPT_RECIPE.for_method(PROMPT_METHOD)["epochs"]
    epochs = (f"epochs: {fit.epochs} here, {published} published",) if fit.epochs != published else ()
    return (*differences(fit, system, PROMPT_RECIPE), *epochs)


def measured_cost(claim: Efficiency, costs: Mapping[str, Cost]) -> float | None:
    """Return the measured value of what a claim is about, in the claim's unit; None where it is not known.

    Args:
        claim: a published time, size or ratio.
        costs: cost of training, by name of the system.
    """
    return _measured_ratio(claim, costs) if claim.system is None else _measured_size(claim, costs.get(claim.system))


def _measured_size(claim: Efficiency, cost: Cost | None) -> float | None:
    if cost is None:
        return None
    values = {
        "seconds": cost.seconds_per_epoch,
        "trainable": float(cost.trainable),
        "memory": cost.own_peak_memory,
    }
    return values[claim.quantity]


def _measured_ratio(claim: Efficiency, costs: Mapping[str, Cost]) -> float | None:
    full, prompts = costs.get(FULL), costs.get(PROMPT)
    if full is None or prompts is None or full.batch_size != prompts.batch_size:
        return None
    if claim.quantity == "time_saving":
        return 1 - prompts.seconds_per_epoch / full.seconds_per_epoch
    full_memory, prompt_memory = full.own_peak_memory, prompts.own_peak_memory
    if full_memory is None or prompt_memory is None:
        return None
    return 1 - prompt_memory / full_memory


def _manifest_tables(plan: ReproductionPlan, manifest: Manifest, build: BuildRecord, preset: str) -> ManifestTables:
    setting = setting_of(plan, manifest, build, preset)
    rows = [row for system in plan.systems for row in _rows(plan, manifest, system)]
    costs = {system.name: cost(plan.runs_of(manifest, system)) for system in plan.systems}
    runs = [run for system in plan.systems for run in plan.runs_of(manifest, system)]
    accuracies = [_judged(claim, rows, setting) for claim in ACCURACIES if _about(claim, setting.data)]
    efficiency = []
    for claim in EFFICIENCY:
        measured = measured_cost(claim, costs)
        efficiency.append(JudgedEfficiency(claim, measured, judge_efficiency(claim, measured, setting)))
    return ManifestTables(manifest, setting, rows, accuracies, costs, efficiency, devices(runs))


def _rows(plan: ReproductionPlan, manifest: Manifest, system: System) -> list[SystemRow]:
    table = accuracy_tables(gather(plan.runs_of(manifest, system))[0])[0]
    rows = []
    for entry, cells in table.rows.items():
        # published means are over C, A, V and D; a mean over other scenarios is not the same quantity
        kept = {name: cell for name, cell in cells.items() if name != MEAN or set(table.scenarios) == set("CAVD")}
        rows.append(SystemRow(system, entry.inference, kept))
    return rows


def _about(claim: Accuracy, data: str) -> bool:
    """Return whether a claim is shown for a data set; for data that nothing was published on, all claims are."""
    return data not in DATA or claim.data in (None, data)


def _judged(claim: Accuracy, rows: Sequence[SystemRow], setting: PromptSetting) -> JudgedAccuracy:
    cells = [row.cells for row in rows if (row.system.name, row.inference) == (claim.system, claim.inference)]
    measured = cells[0].get(claim.scenario) if cells else None
    return JudgedAccuracy(claim, measured, judge_accuracy(claim, measured, setting))


def _cav_mae(fit: FitConfig) -> tuple[str | None, str | None]:
    """Return size and file of weights of a CAV-MAE; None twice for another backbone."""
    if fit.backbone != "cav-mae":
        return None, None
    from avtrain.backbones.cav_mae import CavMaeConfig

    config = CavMaeConfig.model_validate(fit.backbone_options)
    return config.size, config.weights
