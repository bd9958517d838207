"""Write one shard, as a function of a picklable job, which every engine can run."""

import json
from dataclasses import dataclass
from typing import cast

from avbuild.corruptions.plugin_record import CorruptionRecord
from avbuild.dataset.reading import read_shard
from avbuild.dataset.rows import Cell, StoredSample, cell_of, cells_of, encoded_files, with_media
from avbuild.dataset.shards import ShardRecord, finished_shard, write_shard
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.partners import PairedSample
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.plan import Condition, plan_sample
from avbuild.sources.corpus import SourceItem

UNCHANGED = "{}"  # the `corruption` column of a clean sample


@dataclass(frozen=True, slots=True)
class CleanJob:
    """Write one shard of clean samples."""

    folder: str
    name: str
    samples: tuple[PairedSample, ...]
    classes: tuple[str, ...]
    job: str
    scenario_hash: str
    before: ShardRecord | None = None  # of the shard in build.json, where a data set is made again


@dataclass(frozen=True, slots=True)
class CorruptJob:
    """Corrupt one clean shard under a condition."""

    folder: str
    builder: str
    source: ShardRecord
    name: str
    classes: tuple[str, ...]
    condition: Condition
    job: str
    scenario_hash: str
    before: ShardRecord | None = None  # of the corrupted shard in build.json, where it has one
    plugins: tuple[CorruptionRecord, ...] = ()  # with the sources that the hash is of


def write_clean(job: CleanJob) -> ShardRecord:
    """Write a clean shard, unless it was already written for the same job.

    Raises what reading a source file raises.
    """
    folder = Folder(job.folder)
    if finished := finished_shard(folder, job.name, job.job, job.classes, job.scenario_hash, job.before):
        return finished
    before: SourceItem | None = None
    cell: Cell = []
    rows = []
    for sample in job.samples:
        if sample.first != before:  # samples of one clip follow each other
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
        "corruption": UNCHANGED,
    }
    return cast(StoredSample, row)


def clean_cell(item: SourceItem) -> Cell:
    """Return the cell of an item as it is stored in clean shards."""
    record = MODALITIES[item.modality]
    files = record.store(item.readable(item.media.read()), item.fps)
    if record.framewise:
        return cell_of(record, files, [f"{item.id}-{k}{record.suffix}" for k in range(len(files))])
    return cell_of(record, files, [f"{item.id}{record.suffix_of(file)}" for file in files])


def write_corrupted(job: CorruptJob) -> ShardRecord:
    """Corrupt every sample of a clean shard, unless that was already done for the same job.

    Raises UserError, and writes nothing, where the clean shard is not as `build.json` records it, or where this process
    loads other sources of plug-ins than the one that planned the job.
    """
    if changes := [change for record in job.plugins if (change := record.change())]:
        raise UserError(f"{changes[0]} while this command ran; run it again")
    folder = Folder(job.folder)
    if finished := finished_shard(folder, job.name, job.job, job.classes, job.scenario_hash, job.before):
        return finished
    samples = [corrupt_sample(sample, job.condition) for sample in read_shard(folder, job.source, job.builder)]
    return write_shard(folder, job.name, samples, job.classes, job.job, job.scenario_hash)


def corrupt_sample(sample: StoredSample, condition: Condition) -> StoredSample:
    """Corrupt one clean row; an unchanged modality keeps its bytes.

    Args:
        sample: clean row.
        condition: scenario and seed.

    Returns the corrupted row, with the record of what was done.
    """
    cells = cells_of(sample)
    plan = plan_sample(condition, sample["id"], cells)
    # decode only the modalities that change
    signals = {modality: decode_cell(modality, cell) for modality, cell in cells.items() if plan.reads(modality)}
    results, record = corrupt(plan, signals)
    for modality, result in results.items():
        if result is None:
            del cells[modality]
        elif result is not signals[modality]:
            cells[modality] = _encode(modality, result, cells[modality])
    return with_media(sample, cells, plan.missing, json.dumps(record, separators=(",", ":")))


def decode_cell(modality: str, cell: Cell) -> Signal:
    """Return the signal in a cell: audio float32 [samples], image uint8 [H, W, 3], video uint8 [F, H, W, 3] or str."""
    return MODALITIES[modality].decode([file["bytes"] for file in encoded_files(cell)])


def _encode(modality: str, signal: Signal, before: Cell) -> Cell:
    """Encode a corrupted signal, under the file names of the clean one."""
    record, paths = MODALITIES[modality], [file["path"] for file in encoded_files(before)]
    return cell_of(record, record.encode(signal), [_with_suffix(path, record.suffix) for path in paths])


def _with_suffix(path: str, suffix: str) -> str:
    stem = path.rsplit(".", 1)[0] if "." in path.rsplit("/", 1)[-1] else path
    return f"{stem}{suffix}"
