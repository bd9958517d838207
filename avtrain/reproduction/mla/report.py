"""What the reproduction of one of MLA's tables found: rows, costs, the worth of selecting on test, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.dataset.build_record import BuildRecord
from avbuild.scenarios.manifest import Manifest
from avtrain.report.results import Cell, Evaluation
from avtrain.reproduction.mla.published import Claim
from avtrain.reproduction.mla.tables import REFERENCE, PublishedTable
from avtrain.reproduction.mla.verdicts import MlaSetting, judge_claim, published_data
from avtrain.reproduction.plan import ReproductionPlan, System
from avtrain.reproduction.run import builds, devices
from avtrain.reproduction.verdict import Verdict
from avtrain.runs.cost import Cost, cost
from avtrain.runs.folder import Run

MULTI = "multi"  # all modalities together


@dataclass(frozen=True)
class SystemScores:
    """One system under the clean scenario."""

    system: System
    setting: MlaSetting
    cells: Mapping[str, Cell]  # by modality, where the method has scores of its own; and "multi"
    cost: Cost
    times_slower: float | None  # an epoch's training, as a ratio to `concat` in this reproduction


@dataclass(frozen=True)
class Worth:
    """What choosing the best epoch on test adds, seed by seed."""

    row: str
    on_validation: Cell
    on_test: Cell

    @property
    def difference(self) -> Cell:
        """A part of 1, one a seed."""
        return Cell(tuple(t - v for t, v in zip(self.on_test.values, self.on_validation.values, strict=True)))


@dataclass(frozen=True)
class Judged:
    """A published accuracy beside one of our rows of that name; or beside none, where the plan leaves it out."""

    claim: Claim
    row: SystemScores | None
    verdict: Verdict


@dataclass(frozen=True)
class ManifestTable:
    """All about one manifest."""

    manifest: Manifest
    scenario: str
    leaky: bool
    modalities: tuple[str, ...]
    rows: Sequence[SystemScores]
    worths: Sequence[Worth]
    claims: Sequence[Judged]
    devices: Sequence[str]


def collect(plan: ReproductionPlan, table: PublishedTable) -> list[ManifestTable]:
    """Read the finished runs of a plan."""
    return [_part(plan, table, manifest, build) for manifest, build in zip(plan.manifests, builds(plan), strict=True)]


def _part(plan: ReproductionPlan, table: PublishedTable, manifest: Manifest, build: BuildRecord) -> ManifestTable:
    (scenario,) = plan.scenarios_of(manifest)
    found = {system.name: _scores(plan.runs_of(manifest, system), scenario) for system in plan.systems}
    modalities = tuple(next(iter(found.values()))[0]["missing_rate"])
    costs = {system.name: cost(plan.runs_of(manifest, system)) for system in plan.systems}
    leaky = manifest.split.leaky or build.leaky
    rows = [
        SystemScores(
            system,
            setting_of(plan, manifest, system, build.name, leaky, modalities),
            _cells(found[system.name], modalities),
            costs[system.name],
            times_slower(costs[system.name], costs.get(REFERENCE)),
        )
        for system in plan.systems
    ]
    runs = [run for system in plan.systems for run in plan.runs_of(manifest, system)]
    claims = [
        judged for claim in table.claims if about(claim, build.name) for judged in _judged(claim, rows, rows[0].setting)
    ]
    return ManifestTable(manifest, scenario, leaky, modalities, rows, worths(rows), claims, devices(runs))


def setting_of(
    plan: ReproductionPlan, manifest: Manifest, system: System, data: str, leaky: bool, modalities: Sequence[str]
) -> MlaSetting:
    """On what a row is measured, as far as it decides what it may be compared with."""
    fit = plan.config_of(manifest, system)
    return MlaSetting(
        data=data,
        row_split=leaky,
        backbone=fit.backbone,
        frozen=bool(fit.method_options.get("frozen", False)),
        epochs=fit.epochs,
        frames=None if "video" in modalities else 1,
        selected_on=fit.select_on,
    )


def about(claim: Claim, data: str) -> bool:
    """Data of another name get every claim, and the reason why none can be compared."""
    return published_data(data) in (None, claim.data)


def times_slower(own: Cost, reference: Cost | None) -> float | None:
    """Training time of an epoch as a ratio; None where there is nothing equal to compare with."""
    if reference is None or own.batch_size != reference.batch_size or reference.seconds_per_epoch == 0:
        return None
    return own.seconds_per_epoch / reference.seconds_per_epoch


def worths(rows: Sequence[SystemScores]) -> list[Worth]:
    """Of each row that is there both ways."""
    honest = {row.system.row: row for row in rows if row.system.select_on == "validation"}
    return [
        Worth(row.system.row, honest[row.system.row].cells[MULTI], row.cells[MULTI])
        for row in rows
        if row.system.select_on == "test" and row.system.row in honest
    ]


def _scores(runs: Sequence[Run], scenario: str) -> list[Evaluation]:
    """Of the clean scenario, in order of seeds."""
    return [
        next(e for e in run.evaluations() if e["other_manifest"] is None and e["scenario"] == scenario) for run in runs
    ]


def _cells(scores: Sequence[Evaluation], modalities: Sequence[str]) -> dict[str, Cell]:
    alone = {m: Cell(tuple(e["per_modality"][m] for e in scores)) for m in modalities if m in scores[0]["per_modality"]}
    return alone | {MULTI: Cell(tuple(e["accuracy"] for e in scores))}


def _judged(claim: Claim, rows: Sequence[SystemScores], any_setting: MlaSetting) -> list[Judged]:
    own = [row for row in rows if row.system.row == claim.system]
    if not own:
        return [Judged(claim, None, judge_claim(claim, None, any_setting))]
    return [Judged(claim, row, judge_claim(claim, row.cells[MULTI], row.setting)) for row in own]
