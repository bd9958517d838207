"""`--dry-run`: what would be written, and how large, from a few samples carried out in memory."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.shards import cells_of, encoded_files, read_samples
from avbuild.dataset.storage import Folder
from avbuild.modalities.media import encode_audio, read_audio
from avbuild.pipeline.jobs import corrupt_sample, picture_cell
from avbuild.pipeline.pairing import Pair
from avbuild.pipeline.prepare import Prepared
from avbuild.scenarios.apply import condition
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import SPLITS, WORDS, Clip, Split

Item = TypeVar("Item", Clip, Pair)

TRIED = 32  # samples carried out
OVERHEAD = 400  # bytes a row of ids, labels and Parquet


def estimate_make(prepared: Prepared, folder: Folder) -> str:
    """Counts by split and class, and the disk the clean data set will take."""
    pairs = prepared.pairs
    clips = {pair.clip.id: pair.clip for pair in pairs}
    sound = _mean([len(encode_audio(read_audio(clip.media.read()))) for clip in _some(clips.values())])
    cells = [picture_cell(pair.picture) for pair in _some(pairs)]
    picture = _mean([sum(len(file["bytes"]) for file in encoded_files(cell)) for cell in cells])
    size = len(clips) * sound + len(pairs) * (picture + OVERHEAD)
    counts = ", ".join(f"{sum(p.split == split for p in pairs):,} {split}" for split in SPLITS)
    lines = [
        f"{prepared.builder.name}: {len(pairs):,} pairs ({counts}) from {len(clips):,} clips and "
        f"{len({p.picture.id for p in pairs}):,} {WORDS[prepared.builder.visual]}s",
        f"would write about {size / 1e6:,.0f} MB to {folder}; each clip is stored once",
    ]
    lines += [
        f"{name}: served by {', '.join(m.partners)}" + (" (by class index, no class fits)" if m.by_index else "")
        for name, m in prepared.material.match.items()
    ]
    return "\n".join([*lines, f"left out: {len(prepared.left_out):,} files", "dry run: nothing was written"])


def estimate_corrupt(
    folder: Folder, build: BuildRecord, manifest: Manifest, names: Sequence[str], splits: Sequence[Split]
) -> str:
    """Rows, ops and the disk each scenario will take."""
    lines = []
    for name in names:
        plans = manifest.scenarios[name].as_yaml()
        rows = sum(build.scenarios[CLEAN].splits[split].rows for split in splits)
        size = rows * _corrupted_size(folder, build, manifest, name, splits[0])
        lines.append(f"{name}: {rows:,} rows ({', '.join(splits)}), about {size / 1e6:,.0f} MB, {plans}")
    return "\n".join([*lines, "dry run: nothing was written"])


def _corrupted_size(folder: Folder, build: BuildRecord, manifest: Manifest, name: str, split: Split) -> float:
    rows = read_samples(folder.read(build.scenarios[CLEAN].splits[split].shards[0].file))
    tried = [corrupt_sample(sample, condition(manifest, name)) for sample, _ in zip(rows, range(TRIED), strict=False)]
    distinct = {file["bytes"] for sample in tried for cell in cells_of(sample).values() for file in encoded_files(cell)}
    return sum(map(len, distinct)) / len(tried) + OVERHEAD


def _some(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: digest("estimate", item.id))[:TRIED]


def _mean(sizes: Sequence[int]) -> float:
    return sum(sizes) / len(sizes)
