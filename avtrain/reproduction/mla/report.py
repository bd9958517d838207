"""Results of the reproduction of one of MLA's tables: rows, costs, the gain by selection on test, and verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.dataset.build_record import BuildRecord
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import Manifest
from avtrain.backbones.registry import backbone_config
from avtrain.config import FitConfig
from avtrain.report.results import Cell, Evaluation
from avtrain.reproduction.mla.published import MULTI, Claim
from avtrain.reproduction.mla.recipe import MLA_RECIPE
from avtrain.reproduction.mla.tables import REFERENCE, PublishedTable
from avtrain.reproduction.mla.verdicts import MlaSetting, judge_claim, published_data
from avtrain.reproduction.plan import ReproductionPlan
from avtrain.reproduction.recipe import differences
from avtrain.reproduction.run import builds, devices
from avtrain.reproduction.system import System
from avtrain.reproduction.verdict import Verdict
from avtrain.runs.cost import Cost, cost
from avtrain.runs.folder import Run

VISUAL = ("video", "image")


@dataclass(frozen=True)
class SystemScores:
    """Scores of one system on clean data.

    Attributes:
        system: row of the plan.
        setting: circumstances that decide what it can be compared with.
        cells: accuracies; "multi": of all modalities; a modality: of its own logits, where the method has them.
        cost: of its training.
        times_slower: training time per epoch divided by that of `concat`; None: not known.
    """

    system: System
    setting: MlaSetting
    cells: Mapping[str, Cell]
    cost: Cost
    times_slower: float | None

    def part(self, part: str) -> Cell | None:
        """Return the accuracies of a part: an image and the frames of a video are the same part.

        Args:
            part: a modality or "multi".
        """
        names = VISUAL if part in VISUAL else (part,)
        return next((self.cells[name] for name in names if name in self.cells), None)


@dataclass(frozen=True)
class SelectionGain:
    """Accuracies of a row with its best epoch chosen on validation, and on test.

    Attributes:
        row: name of the row.
        on_validation: test accuracies of the epochs chosen on validation, one a seed.
        on_test: test accuracies of the epochs chosen on test, one a seed.
    """

    row: str
    on_validation: Cell
    on_test: Cell

    @property
    def difference(self) -> Cell:
        """Return what selection on test adds to the accuracy, 0 to 1, one value a seed."""
        return Cell(tuple(t - v for t, v in zip(self.on_test.values, self.on_validation.values, strict=True)))


@dataclass(frozen=True)
class JudgedClaim:
    """A published accuracy, a row of that name (None: not in the plan), and the verdict."""

    claim: Claim
    row: SystemScores | None
    verdict: Verdict


@dataclass(frozen=True)
class ManifestTable:
    """The table of one manifest.

    Attributes:
        manifest: of the data set.
        scenario: name of its clean scenario.
        leaky: whether a group (a recording, an actor) may be in two splits.
        modalities: of the data set.
        rows: measured.
        gains: by selection on test, for rows that have both selections.
        claims: verdicts on published accuracies.
        devices: that the runs were made with, as text.
    """

    manifest: Manifest
    scenario: str
    leaky: bool
    modalities: tuple[str, ...]
    rows: Sequence[SystemScores]
    gains: Sequence[SelectionGain]
    claims: Sequence[JudgedClaim]
    devices: Sequence[str]


def collect(plan: ReproductionPlan, table: PublishedTable) -> list[ManifestTable]:
    """Read the finished runs of a plan, and judge every published number.

    Args:
        plan: with all runs finished and scored.
        table: the published table.
    """
    pairs = zip(plan.manifests, builds(plan), strict=True)
    return [_manifest_table(plan, table, manifest, build) for manifest, build in pairs]


def _manifest_table(
    plan: ReproductionPlan, table: PublishedTable, manifest: Manifest, build: BuildRecord
) -> ManifestTable:
    (scenario,) = plan.scenarios_of(manifest)
    leaky = manifest.split.leaky or build.leaky
    evaluations = {system.name: _evaluations(plan.runs_of(manifest, system), scenario) for system in plan.systems}
    modalities = tuple(next(iter(evaluations.values()))[0]["missing_rate"])
    costs = {system.name: cost(plan.runs_of(manifest, system)) for system in plan.systems}
    rows = [
        SystemScores(
            system,
            setting_of(plan, manifest, system, build.name, published_rows(manifest, build), modalities, build),
            _cells(evaluations[system.name], modalities),
            costs[system.name],
            times_slower(costs[system.name], costs.get(REFERENCE)),
        )
        for system in plan.systems
    ]
    shown = [claim for claim in table.claims if about(claim, build.name)]
    claims = [judged for claim in shown for judged in _judge(claim, rows, rows[0].setting)]
    runs = [run for system in plan.systems for run in plan.runs_of(manifest, system)]
    return ManifestTable(manifest, scenario, leaky, modalities, rows, selection_gains(rows), claims, devices(runs))


def setting_of(
    plan: ReproductionPlan,
    manifest: Manifest,
    system: System,
    data: str,
    row_split: bool,
    modalities: Sequence[str],
    build: BuildRecord | None = None,
) -> MlaSetting:
    """Return the circumstances that decide what a row can be compared with.

    Args:
        plan: of all runs.
        manifest: one of the plan's.
        system: row of the plan.
        data: name of the data set.
        row_split: whether a group may be in two splits, as in published lists.
        modalities: of the data set.
        build: of the data set; None: its numbers of samples are not known.
    """
    fit = plan.config_of(manifest, system)
    return MlaSetting(
        data=data,
        row_split=row_split,
        backbone=fit.backbone,
        frozen=bool(fit.method_options.get("frozen", False)),
        epochs=fit.epochs,
        frames=_frames(fit) if any(MODALITIES[m].framewise for m in modalities) else 1,
        selected_on=fit.select_on,
        seeds=len(plan.seeds),
        training=None if build is None else _training_samples(fit, build),
        differences=differences(fit, system, MLA_RECIPE),
    )


def published_rows(manifest: Manifest, build: BuildRecord) -> bool:
    """Return whether the split is that of published lists with the same people in two splits, not one by chance."""
    return build.leaky and manifest.split.protocol == "default" and build.split.startswith("published lists")


def about(claim: Claim, data: str) -> bool:
    """Return whether a claim is shown for a data set; for data that nothing was published on, all claims are."""
    return published_data(data) in (None, claim.data)


def _training_samples(fit: FitConfig, build: BuildRecord) -> int:
    splits = ("train",) if fit.train_split == "train" else ("train", "validation")
    return sum(sum(counts.values()) for split, counts in build.per_class.items() if split in splits)


def _frames(fit: FitConfig) -> int | None:
    """Return the number of frames that a backbone takes of a video; None where it has no such option."""
    frames: int | None = getattr(backbone_config(fit.backbone, fit.backbone_options), "frames", None)
    return frames


def times_slower(own: Cost, reference: Cost | None) -> float | None:
    """Return training time per epoch divided by that of a reference; None without one of the same batch size."""
    if reference is None or own.batch_size != reference.batch_size or reference.seconds_per_epoch == 0:
        return None
    return own.seconds_per_epoch / reference.seconds_per_epoch


def selection_gains(rows: Sequence[SystemScores]) -> list[SelectionGain]:
    """Return the gain by selection on test of each row that has both selections."""
    on_validation = {row.system.row: row for row in rows if row.system.select_on == "validation"}
    return [
        SelectionGain(row.system.row, on_validation[row.system.row].cells[MULTI], row.cells[MULTI])
        for row in rows
        if row.system.select_on == "test" and row.system.row in on_validation
    ]


def _evaluations(runs: Sequence[Run], scenario: str) -> list[Evaluation]:
    """Return the evaluations of runs on one scenario of their own manifest, in the order of seeds."""
    return [
        next(e for e in run.evaluations() if e["other_manifest"] is None and e["scenario"] == scenario) for run in runs
    ]


def _cells(evaluations: Sequence[Evaluation], modalities: Sequence[str]) -> dict[str, Cell]:
    """Return the accuracies of each modality that has logits of its own, and of all together."""
    scored = [modality for modality in modalities if modality in evaluations[0]["per_modality"]]
    own = {modality: Cell(tuple(e["per_modality"][modality] for e in evaluations)) for modality in scored}
    return own | {MULTI: Cell(tuple(e["accuracy"] for e in evaluations))}


def _judge(claim: Claim, rows: Sequence[SystemScores], any_setting: MlaSetting) -> list[JudgedClaim]:
    """Return a verdict for each selection of the claim's row; one without a measurement where it is not in the plan."""
    own = [row for row in rows if row.system.row == claim.system]
    if not own:
        return [JudgedClaim(claim, None, judge_claim(claim, None, any_setting))]
    return [JudgedClaim(claim, row, judge_claim(claim, row.part(claim.part), row.setting)) for row in own]
