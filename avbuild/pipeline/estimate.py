"""`--dry-run`: estimate what would be written, and its size, from a few samples processed in memory."""

from collections.abc import Sequence

from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.reading import read_shard
from avbuild.dataset.rows import cells_of, encoded_files
from avbuild.dataset.splits import SPLITS, Split
from avbuild.dataset.storage import Folder
from avbuild.escaping import in_words
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.jobs import clean_cell, corrupt_sample
from avbuild.pipeline.prepare import Prepared
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.plan import condition
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import SourceItem

TRIED = 32  # samples processed
OVERHEAD = 400  # bytes a row of ids, labels and Parquet


def estimate_make(prepared: Prepared, folder: Folder) -> str:
    """Describe the clean data set that would be written: counts by split and class, and size on disk.

    Args:
        prepared: items and options.
        folder: it would be written to.
    """
    samples, distinct, size = prepared.samples, [], 0.0
    for place, corpus in enumerate(prepared.material.corpora):
        items = {sample.items[place].id: sample.items[place] for sample in samples}
        distinct.append(f"{len(items):,} {MODALITIES[corpus.modality].nouns}")
        copies = len(items) if place == 0 else len(samples)  # a shard stores each item of the first modality once
        size += copies * _mean_size(list(items.values()))
    size += len(samples) * OVERHEAD
    counts = ", ".join(f"{sum(s.split == split for s in samples):,} {split}" for split in SPLITS)
    lines = [
        f"{prepared.name}: {len(samples):,} {prepared.noun} ({counts}) from {in_words(distinct)}",
        f"would write about {size / 1e6:,.0f} MB to {folder}; each clip is stored once",
    ]
    lines += [
        f"{name}: paired with {', '.join(m.partners)}" + (" (by class index: no label fits)" if m.by_index else "")
        for name, m in prepared.material.match.items()
    ]
    return "\n".join([*lines, f"left out: {len(prepared.left_out):,} files", "dry run: nothing was written"])


def estimate_corrupt(
    folder: Folder, build: BuildRecord, manifest: Manifest, names: Sequence[str], splits: Sequence[Split]
) -> str:
    """Describe the corrupted shards that would be written: counts by scenario and split, and size on disk.

    Args:
        folder: of the data set.
        build: its record.
        manifest: with the scenarios.
        names: of the scenarios.
        splits: to write.
    """
    lines = []
    for name in names:
        plans = manifest.scenarios[name].as_yaml()
        rows = sum(build.scenarios[CLEAN].splits[split].rows for split in splits)
        size = rows * _corrupted_size(folder, build, manifest, name, splits[0])
        lines.append(f"{name}: {rows:,} rows ({', '.join(splits)}), about {size / 1e6:,.0f} MB, {plans}")
    return "\n".join([*lines, "dry run: nothing was written"])


def _corrupted_size(folder: Folder, build: BuildRecord, manifest: Manifest, name: str, split: Split) -> float:
    rows = read_shard(folder, build.scenarios[CLEAN].splits[split].shards[0], build.builder)
    tried = [corrupt_sample(sample, condition(manifest, name)) for sample, _ in zip(rows, range(TRIED), strict=False)]
    distinct = {file["bytes"] for sample in tried for cell in cells_of(sample).values() for file in encoded_files(cell)}
    return sum(map(len, distinct)) / len(tried) + OVERHEAD


def _mean_size(items: Sequence[SourceItem]) -> float:
    """Return the mean number of bytes that an item takes in a shard, from a few of them."""
    tried = sorted(items, key=lambda item: digest("estimate", item.id))[:TRIED]
    return sum(len(file["bytes"]) for item in tried for file in encoded_files(clean_cell(item))) / len(tried)
