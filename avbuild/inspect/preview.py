"""Corrupt some samples to see and hear a scenario, for `avbuild preview`: clean, and at each severity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from avbuild.corruptions.registry import SEVERITIES
from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.reading import read_shard
from avbuild.dataset.rows import StoredSample, cells_of
from avbuild.dataset.splits import Split
from avbuild.dataset.storage import Folder
from avbuild.inspect.drawn import drawn
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.jobs import decode_cell
from avbuild.progress import progress_bar
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.plan import at_severity, condition, plan_sample
from avbuild.scenarios.seeding import digest
from avbuild.scenarios.spec import Scenario

MAX_FRAMES = 4  # of a video


@dataclass(frozen=True, slots=True)
class PreviewCell:
    """A sample under one condition."""

    title: str
    own: str  # marks the column that is the scenario as the manifest has it; else empty
    modalities: tuple[str, ...]  # of the data set
    signals: Mapping[str, Signal | None]  # by modality; None: missing
    record: dict[str, Any]  # what the `corruption` column would hold
    drawn: Mapping[str, Sequence[str]]  # modality -> what each op drew at random, in words
    clean: Mapping[str, Signal] = field(default_factory=dict)  # by modality, to mark the changes of a text against

    def frames(self, modality: str) -> tuple[Signal, ...]:
        """Return the image, or some frames of the video, uint8 [H, W, 3] each; none where it is missing."""
        signal = self.signals.get(modality)
        if signal is None:
            return ()
        if not MODALITIES[modality].framewise:
            return (signal,)
        count = min(len(signal), MAX_FRAMES)
        # the middle frame of each of `count` equal parts
        return tuple(signal[(2 * part + 1) * len(signal) // (2 * count)] for part in range(count))


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A sample under every condition shown."""

    id: str
    label: str
    cells: tuple[PreviewCell, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One column: a scenario to apply, and how the column is called and marked."""

    title: str
    scenario: Scenario
    own: str = ""


def preview_rows(folder: Folder, build: BuildRecord, manifest: Manifest, scenario: str, count: int) -> list[PreviewRow]:
    """Corrupt some samples: clean, then at each severity in order; the manifest's own severity is marked.

    A scenario without severities has one column; one with several has a column of its own before the severities.

    Args:
        folder: of the data set.
        build: the data set's record.
        manifest: with the scenario in it.
        scenario: name in the manifest.
        count: number of samples of the test split, spread over the classes.
    """
    columns = variants(manifest.scenarios[scenario], scenario)
    chosen = _choose_samples(folder, build, count)
    rows = []
    with progress_bar("corrupting", len(chosen)) as advance:
        for sample in chosen:
            rows.append(_row(sample, build, manifest, columns))
            advance()
    return rows


def variants(scenario: Scenario, name: str) -> list[Variant]:
    """Return the columns of a scenario besides the clean one, in order.

    Args:
        scenario: to show.
        name: in the manifest.
    """
    own = f"{name} in the manifest"
    if scenario.ops and all(op.level is not None for op in scenario.ops) and not scenario.missing:
        return [Variant(name, scenario, own)]
    severity = _severity_of(scenario, name)
    columns = [] if severity else [Variant(name, scenario, own)]
    for step in SEVERITIES:  # at its own severity, a scenario is as the manifest has it
        columns.append(Variant(f"severity {step}", at_severity(scenario, name, step), own if step == severity else ""))
    return columns


def _severity_of(scenario: Scenario, name: str) -> int | None:
    """Return the severity that a scenario has throughout, or None where it has several or explicit levels."""
    found = {
        None if op.level is not None else op.severity or plan.severity
        for plan in scenario.plans.values()
        for op in (*plan.any_of, *plan.chain)
    }
    severity = found.pop() if len(found) == 1 else None
    if severity is None:
        return None
    same = at_severity(scenario, name, severity)
    rates = all(plan.missing_rate == scenario.plans[modality].missing_rate for modality, plan in same.plans.items())
    return severity if rates and same.missing == scenario.missing else None


def _choose_samples(folder: Folder, build: BuildRecord, count: int) -> list[StoredSample]:
    """Take one sample of each class in turn, ordered within a class by a hash of the ids."""
    splits = build.scenarios[CLEAN].splits
    split: Split = "test" if "test" in splits else next(iter(splits))
    names = [(s["label"], digest("preview", s["id"]), s["id"]) for s in _clean_samples(folder, build, split)]
    by_class = [[id_ for *_, id_ in members] for _, members in groupby(sorted(names), key=lambda entry: entry[0])]
    turns = [id_ for turn in range(count) for members in by_class for id_ in members[turn : turn + 1]]
    wanted = turns[:count]
    found = {s["id"]: s for s in _clean_samples(folder, build, split) if s["id"] in wanted}
    return [found[id_] for id_ in wanted]


def _clean_samples(folder: Folder, build: BuildRecord, split: Split) -> Iterator[StoredSample]:
    for shard in build.scenarios[CLEAN].splits[split].shards:
        yield from read_shard(folder, shard, build.builder)


def _row(sample: StoredSample, build: BuildRecord, manifest: Manifest, columns: Sequence[Variant]) -> PreviewRow:
    clean = {modality: decode_cell(modality, cell) for modality, cell in cells_of(sample).items()}
    scenarios = {column.title: column.scenario for column in columns}
    with_variants = manifest.model_copy(update={"scenarios": {**manifest.scenarios, **scenarios}})
    cells = [PreviewCell("clean", "", build.modalities, clean, {}, {})]
    for column in columns:
        # its draws are those of the scenario in the manifest, whose name enters the seeds
        plan = plan_sample(condition(with_variants, column.title), sample["id"], clean)
        signals, record = corrupt(plan, clean)
        words = {
            modality: drawn(plan, modality, next(iter(MODALITIES[modality].frames(clean[modality]))))
            for modality in plan.ops
            if plan.reads(modality)
        }
        cells.append(PreviewCell(column.title, column.own, build.modalities, signals, record, words, clean))
    return PreviewRow(sample["id"], build.classes[sample["label"]], tuple(cells))
