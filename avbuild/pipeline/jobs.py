"""The work of one shard, as a function of a picklable job: what every engine runs."""

import json
from dataclasses import dataclass
from typing import cast

from avbuild.dataset.shards import (
    Cell,
    Encoded,
    ShardRecord,
    StoredSample,
    cells_of,
    encoded_files,
    finished_shard,
    read_samples,
    with_media,
    write_shard,
)
from avbuild.dataset.storage import Folder
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.partners import PairedSample
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.plan import Condition, plan_sample
from avbuild.sources.corpus import SourceItem

UNTOUCHED = "{}"  # the `corruption` column of a sample nothing was done to


@dataclass(frozen=True, slots=True)
class CleanJob:
    """Write these samples as they came, to one shard."""

    folder: str
    name: str
    samples: tuple[PairedSample, ...]
    classes: tuple[str, ...]
    job: str
    scenario_hash: str


@dataclass(frozen=True, slots=True)
class CorruptJob:
    """Write one clean shard under a condition."""

    folder: str
    source: str
    rows: int
    name: str
    classes: tuple[str, ...]
    condition: Condition
    job: str
    scenario_hash: str


def write_clean(job: CleanJob) -> ShardRecord:
    """Decode, resample and store; a shard that is finished already is left alone."""
    folder = Folder(job.folder)
    if done := finished_shard(folder, job.name, job.job):
        return done
    before: SourceItem | None = None
    cell: Cell = []
    rows = []
    for sample in job.samples:
        if sample.first != before:  # samples of one clip stand side by side
            before, cell = sample.first, clean_cell(sample.first)
        rows.append(_clean_row(sample, cell))
    return write_shard(folder, job.name, rows, job.classes, job.job, job.scenario_hash)


def _clean_row(sample: PairedSample, first: Cell) -> StoredSample:
    first_item, *others = sample.items
    row = {
        "id": sample.id,
        first_item.modality: first,
        **{item.modality: clean_cell(item) for item in others},
        "label": sample.label,
        "group": sample.first.group,
        "fold": sample.first.fold,
        **{f"{item.modality}_missing": False for item in sample.items},
        "corruption": UNTOUCHED,
    }
    return cast(StoredSample, row)


def clean_cell(item: SourceItem) -> Cell:
    """Return the cell of an item as it stands in the clean shards."""
    record = MODALITIES[item.modality]
    files = record.store(item.media.read(), item.fps)
    if record.framewise:
        return [{"bytes": data, "path": f"{item.id}-{k}{record.suffix}"} for k, data in enumerate(files)]
    return {"bytes": files[0], "path": f"{item.id}{record.suffix_of(files[0])}"}


def write_corrupted(job: CorruptJob) -> ShardRecord:
    """Corrupt every sample of a clean shard; a shard that is finished already is left alone."""
    folder = Folder(job.folder)
    if done := finished_shard(folder, job.name, job.job):
        return done
    samples = [corrupt_sample(sample, job.condition) for sample in read_samples(folder.read(job.source))]
    return write_shard(folder, job.name, samples, job.classes, job.job, job.scenario_hash)


def corrupt_sample(sample: StoredSample, condition: Condition) -> StoredSample:
    """One clean row under a condition. An untouched modality keeps its bytes."""
    cells = cells_of(sample)
    plan = plan_sample(condition, sample["id"], cells)
    # decode only what will change
    signals = {modality: decode_cell(modality, cell) for modality, cell in cells.items() if plan.reads(modality)}
    results, record = corrupt(plan, signals)
    for modality, result in results.items():
        if result is None:
            del cells[modality]
        elif result is not signals[modality]:
            cells[modality] = _encoded(modality, result, cells[modality])
    return with_media(sample, cells, plan.missing, json.dumps(record, separators=(",", ":")))


def decode_cell(modality: str, cell: Cell) -> Signal:
    """Return the signal in a cell: audio float32 [samples], image uint8 [H, W, 3], video uint8 [F, H, W, 3]."""
    return MODALITIES[modality].decode([file["bytes"] for file in encoded_files(cell)])


def _encoded(modality: str, signal: Signal, before: Cell) -> Cell:
    record, paths = MODALITIES[modality], [file["path"] for file in encoded_files(before)]
    files: list[Encoded] = [
        {"bytes": data, "path": _with_suffix(path, record.suffix)}
        for data, path in zip(record.encode(signal), paths, strict=True)
    ]
    return files if record.framewise else files[0]


def _with_suffix(path: str, suffix: str) -> str:
    stem = path.rsplit(".", 1)[0] if "." in path.rsplit("/", 1)[-1] else path
    return f"{stem}{suffix}"
