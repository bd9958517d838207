"""What the poster's reproduction found: everything measured, every published number beside it, and whether it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.dataset.build_record import BuildRecord
from avbuild.scenarios.manifest import Manifest
from avbuild.sources.kaggle import CREDIT
from avtrain.config import FitConfig
from avtrain.report.results import Cell, gather
from avtrain.report.tables import MEAN, accuracy_tables
from avtrain.reproduction.plan import ReproductionPlan, System
from avtrain.reproduction.prompt_the_missing.published import ACCURACIES, DATA, EFFICIENCY, PROMPT, Accuracy, Efficiency
from avtrain.reproduction.prompt_the_missing.verdicts import PromptSetting, judge_accuracy, judge_efficiency
from avtrain.reproduction.run import builds, devices
from avtrain.reproduction.verdict import Verdict
from avtrain.runs.cost import Cost, cost

FULL = "finetune"  # the other side of a ratio: every weight trained, on the same draws as the prompts


@dataclass(frozen=True)
class SystemRow:
    """One system, inferring one way."""

    system: System
    inference: str | None
    cells: Mapping[str, Cell]  # by scenario, and "mean"


@dataclass(frozen=True)
class JudgedAccuracy:
    """A published accuracy beside ours."""

    claim: Accuracy
    measured: Cell | None
    verdict: Verdict


@dataclass(frozen=True)
class JudgedEfficiency:
    """A published time, size or ratio beside ours."""

    claim: Efficiency
    measured: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ManifestTables:
    """All about one manifest."""

    manifest: Manifest
    setting: PromptSetting
    rows: Sequence[SystemRow]
    accuracies: Sequence[JudgedAccuracy]
    costs: Mapping[str, Cost]  # by system
    efficiency: Sequence[JudgedEfficiency]
    devices: Sequence[str]


def is_fair(manifest: Manifest) -> bool:
    """Whether D does to sound what A does and to pictures what V does."""
    there = manifest.scenarios
    if not {"A", "V", "D"} <= set(there):
        return False
    return dict(there["D"].plans) == {**there["A"].plans, **there["V"].plans}


def collect(plan: ReproductionPlan, preset: str) -> list[ManifestTables]:
    """Read the finished runs of a plan.  preset: the scenarios of its manifests."""
    return [_part(plan, manifest, build, preset) for manifest, build in zip(plan.manifests, builds(plan), strict=True)]


def setting_of(plan: ReproductionPlan, manifest: Manifest, build: BuildRecord, preset: str) -> PromptSetting:
    """On what these numbers are measured, as far as it decides what they may be compared with."""
    options = plan.config_of(manifest, plan.systems[0])
    cav_mae = _cav_mae(options)
    return PromptSetting(
        data=build.name,
        their_pairs=any(source.homepage == CREDIT.homepage for source in build.sources),
        row_split=manifest.split.leaky or build.leaky,
        preset=preset,
        backbone=options.backbone,
        size=cav_mae[0],
        weights=cav_mae[1],
        epochs_scale=plan.epochs_scale,
    )


def measured_cost(claim: Efficiency, costs: Mapping[str, Cost]) -> float | None:
    """Our value of what a claim is about; None where these runs do not tell."""
    if claim.system is not None:
        found = costs.get(claim.system)
        if found is None:
            return None
        values = {
            "seconds": found.seconds_per_epoch,
            "trainable": float(found.trainable),
            "memory": found.own_peak_memory,
        }
        return values[claim.quantity]
    full, prompts = costs.get(FULL), costs.get(PROMPT)
    if full is None or prompts is None or full.batch_size != prompts.batch_size:
        return None
    if claim.quantity == "times_faster":
        return full.seconds_per_epoch / prompts.seconds_per_epoch
    of_full, of_prompts = full.own_peak_memory, prompts.own_peak_memory
    if of_full is None or of_prompts is None:
        return None
    return of_full / of_prompts if claim.quantity == "times_less_memory" else 1 - of_prompts / of_full


def _part(plan: ReproductionPlan, manifest: Manifest, build: BuildRecord, preset: str) -> ManifestTables:
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
        # published means are over these four; over others it would be another number
        own = {name: cell for name, cell in cells.items() if name != MEAN or set(table.scenarios) == set("CAVD")}
        rows.append(SystemRow(system, entry.inference, own))
    return rows


def _about(claim: Accuracy, data: str) -> bool:
    """Other data than either of the two get every claim, and the reason why none can be compared."""
    return data not in DATA or claim.data in (None, data)


def _judged(claim: Accuracy, rows: Sequence[SystemRow], setting: PromptSetting) -> JudgedAccuracy:
    cells = [row.cells for row in rows if (row.system.name, row.inference) == (claim.system, claim.inference)]
    measured = cells[0].get(claim.scenario) if cells else None
    return JudgedAccuracy(claim, measured, judge_accuracy(claim, measured, setting))


def _cav_mae(fit: FitConfig) -> tuple[str | None, str | None]:
    if fit.backbone != "cav-mae":
        return None, None
    from avtrain.backbones.cav_mae import CavMaeConfig

    config = CavMaeConfig.model_validate(fit.backbone_options)
    return config.size, config.weights
