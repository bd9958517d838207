"""Rows of a data set, read through the manifest: encoded bytes in memory, each distinct clip once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import fsspec
import pyarrow.parquet as pq

from avbuild.dataset.splits import SPLITS, Split, SplitKey, resplit, shared_groups
from avbuild.errors import UsageError, UserError
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.seeding import digest

Media = bytes | tuple[bytes, ...]  # a file, or the frames of a video in order of time


@dataclass(frozen=True, slots=True)
class Sample:
    """One row, still encoded."""

    id: str
    media: dict[str, Media]  # by modality, without those that are missing
    label: int
    group: str
    fold: int


@dataclass(frozen=True)
class Rows:
    """The rows of one split under one scenario."""

    samples: Sequence[Sample]
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    scenario: str  # what is already done to them: C, or a corrupted scenario read from disk


def read_rows(manifest: Manifest, split: Split) -> Rows:
    """The clean rows of a split, as the manifest's protocol cuts it.

    With the default protocol only that split's files are opened.  Raises UserError where the data set is absent or
    incomplete, UsageError where the manifest asks for what it does not have.
    """
    if manifest.split.protocol == "default":
        rows = _read(manifest, CLEAN, split)
    else:
        parts = [_read(manifest, CLEAN, part) for part in SPLITS if _files(manifest, CLEAN, part)]
        samples = [sample for part in parts for sample in part.samples]
        keys = [SplitKey(s.id, parts[0].classes[s.label], s.group, s.fold) for s in samples]
        homes = resplit(manifest.split, keys, manifest.seed)
        own = [sample for sample, home in zip(samples, homes, strict=True) if home == split]
        rows = replace(parts[0], samples=own)
    _check_modalities(manifest, rows.modalities)
    if not rows.samples:
        raise UsageError(f"{manifest.dataset}: its {split} split is empty under protocol {manifest.split.protocol}")
    return rows


def read_corrupted(manifest: Manifest, split: Split, scenario: str) -> Rows | None:
    """A scenario as `avbuild corrupt` wrote it, or None where it is not on disk for this very spec and seed."""
    if manifest.split.protocol != "default" or scenario == CLEAN or not _files(manifest, scenario, split):
        return None
    wanted = manifest.scenario_hash(scenario).encode()
    if any(_mark(file, b"avbuild.scenario") != wanted for file in _files(manifest, scenario, split)):
        return None
    return _read(manifest, scenario, split)


def content_of(manifest: Manifest, splits: Iterable[Split]) -> dict[str, str]:
    """A digest of the clean rows behind each split, to tell whether they are still the same.

    It is of what `avbuild make` notes in each shard: data made again bit for bit have the same.  Splits that the
    manifest cuts anew stand on all those on disk.  What is absent is left out.
    """
    found: dict[str, str] = {}
    for split in splits if manifest.split.protocol == "default" else SPLITS:
        marks = [_mark(file, b"avbuild.content").decode() for file in _files(manifest, CLEAN, split)]
        if any(marks):
            found[split] = digest(*marks)
    return found


def shared_recordings(manifest: Manifest) -> list[str]:
    """Recordings that stand in more than one split as the manifest's protocol cuts them; empty when nothing leaks."""
    keys: list[SplitKey] = []
    for split in SPLITS:
        for file in _files(manifest, CLEAN, split):
            with file as stream:
                table = pq.read_table(stream, columns=["id", "label", "group", "fold"])
            keys += [
                SplitKey(row["id"], str(row["label"]), row["group"], row["fold"], split) for row in table.to_pylist()
            ]
    homes = resplit(manifest.split, keys, manifest.seed)
    return list(shared_groups([replace(key, split=home) for key, home in zip(keys, homes, strict=True)]))


def _check_modalities(manifest: Manifest, there: tuple[str, ...]) -> None:
    absent = [
        f"scenarios.{name}.{modality}: this data set has {', '.join(there)}"
        for name, scenario in manifest.scenarios.items()
        for modality in scenario.plans
        if modality not in there
    ]
    if absent:
        raise UsageError(f"{manifest.name}: {len(absent)} problems\n" + "\n".join(f"  {line}" for line in absent))


def _read(manifest: Manifest, scenario: str, split: Split) -> Rows:
    files = _files(manifest, scenario, split)
    if not files:
        raise UserError(_absent(manifest, split))
    expected = int(str(files[0].path).rsplit("-of-", 1)[1].removesuffix(".parquet"))
    if len(files) != expected:
        raise UserError(
            f"{manifest.dataset}/{scenario}: {len(files)} of {expected} {split} shards are there; run the same avbuild "
            "command again, or avbuild verify to see which"
        )
    pool: dict[bytes, bytes] = {}  # a clip that serves many pictures is kept once
    samples: list[Sample] = []
    for file in files:
        with file as stream:
            parquet = pq.ParquetFile(stream)
            features = json.loads(parquet.schema_arrow.metadata[b"huggingface"])["info"]["features"]
            present = tuple(m for m in MODALITIES if m in features)
            columns = ["id", *present, "label", "group", "fold"]
            for batch in parquet.iter_batches(batch_size=64, columns=columns):
                samples += [_sample(row, present, pool) for row in batch.to_pylist()]
    return Rows(samples, tuple(features["label"]["names"]), present, scenario)


def _sample(row: dict[str, Any], modalities: Iterable[str], pool: dict[bytes, bytes]) -> Sample:
    def kept(cell: dict[str, bytes]) -> bytes:
        return pool.setdefault(cell["bytes"], cell["bytes"])

    media: dict[str, Media] = {
        m: tuple(map(kept, row[m])) if m == "video" else kept(row[m]) for m in modalities if row[m] is not None
    }
    return Sample(row["id"], media, row["label"], row["group"], row["fold"])


def _mark(file: fsspec.core.OpenFile, name: bytes) -> bytes:
    """What `avbuild` notes in a shard under that name; empty where it noted nothing."""
    with file as stream:
        mark: bytes = (pq.read_metadata(stream).metadata or {}).get(name, b"")
    return mark


def _files(manifest: Manifest, scenario: str, split: Split) -> list[fsspec.core.OpenFile]:
    pattern = f"{manifest.dataset}/{scenario}/{split}-*.parquet"
    fs, path = fsspec.url_to_fs(pattern)
    return [fsspec.core.OpenFile(fs, name, "rb") for name in sorted(fs.glob(path))]


def _absent(manifest: Manifest, split: Split) -> str:
    fs, path = fsspec.url_to_fs(manifest.dataset)
    name = manifest.dataset.rstrip("/").rsplit("/", 1)[-1]
    if not fs.exists(path):
        parent = manifest.dataset.rstrip("/").rsplit("/", 1)[0]
        return f"{manifest.dataset}: no data set there. Make it:  avbuild make {name} --out {parent}/"
    return f"{manifest.dataset}: has no {split} split; avbuild inspect {manifest.dataset} shows what it has"
