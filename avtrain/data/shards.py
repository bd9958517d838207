"""The rows of a data set, read through the manifest: encoded bytes in memory, each distinct file once."""

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

Media = bytes | tuple[bytes, ...]  # an encoded file, or the encoded frames of a video in order of time


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a data set, still encoded.

    Attributes:
        id: unique in the data set.
        media: encoded files by modality, without modalities that are missing.
        label: class index.
        group: recording or speaker, which no honest split shares between its parts.
        fold: of the source corpus, where it defines folds.
    """

    id: str
    media: dict[str, Media]
    label: int
    group: str
    fold: int


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Attributes:
        samples: in the order of the shards.
        classes: names, in the order of the class indices.
        modalities: of the data set, in its order.
        scenario: corruption that the files already have: C for none, else a scenario read from disk.
    """

    samples: Sequence[Sample]
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    scenario: str


def read_rows(manifest: Manifest, split: Split) -> Rows:
    """Read the clean rows of a split.

    With the default protocol only the files of that split are opened; another protocol reads all and splits them anew.

    Args:
        manifest: names the data set and the split protocol.
        split: `train`, `validation` or `test`.

    Raises:
        UserError: the data set is absent or incomplete.
        UsageError: the manifest has a scenario for a modality that the data set lacks, or the split is empty.
    """
    if manifest.split.protocol == "default":
        rows = _read(manifest, CLEAN, split)
    else:
        parts = [_read(manifest, CLEAN, part) for part in SPLITS if _files(manifest, CLEAN, part)]
        samples = [sample for part in parts for sample in part.samples]
        keys = [SplitKey(s.id, parts[0].classes[s.label], s.group, s.fold) for s in samples]
        homes = resplit(manifest.split, keys, manifest.seed)
        chosen = [sample for sample, home in zip(samples, homes, strict=True) if home == split]
        rows = replace(parts[0], samples=chosen)
    _check_modalities(manifest, rows.modalities)
    if not rows.samples:
        raise UsageError(f"{manifest.dataset}: its {split} split is empty under protocol {manifest.split.protocol}")
    return rows


def read_corrupted(manifest: Manifest, split: Split, scenario: str) -> Rows | None:
    """Read a scenario as `avbuild corrupt` wrote it.

    Args:
        manifest: names the data set and defines the scenario.
        split: `train`, `validation` or `test`.
        scenario: name.

    Returns:
        Its rows; None where it is not on disk, was written for another spec or seed, or the split is not the default.
    """
    if manifest.split.protocol != "default" or scenario == CLEAN or not _files(manifest, scenario, split):
        return None
    wanted = manifest.scenario_hash(scenario).encode()
    if any(_shard_metadata(file, b"avbuild.scenario") != wanted for file in _files(manifest, scenario, split)):
        return None
    return _read(manifest, scenario, split)


def content_of(manifest: Manifest, splits: Iterable[Split]) -> dict[str, str]:
    """Return a digest of the clean rows that each split is made of, to recognise when they have changed.

    It is made of the content hashes that `avbuild make` writes into each shard, so data made again bit for bit have the
    same.  With a protocol other than the default, every split depends on all those on disk.

    Args:
        manifest: names the data set and the split protocol.
        splits: to digest.

    Returns:
        Split -> digest; a split that is not on disk is left out.
    """
    found: dict[str, str] = {}
    for split in splits if manifest.split.protocol == "default" else SPLITS:
        hashes = [_shard_metadata(file, b"avbuild.content").decode() for file in _files(manifest, CLEAN, split)]
        if any(hashes):
            found[split] = digest(*hashes)
    return found


def shared_recordings(manifest: Manifest) -> list[str]:
    """Return the groups that are in more than one split under the manifest's protocol; empty for an honest split."""
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


def _check_modalities(manifest: Manifest, available: tuple[str, ...]) -> None:
    absent = [
        f"scenarios.{name}.{modality}: this data set has {', '.join(available)}"
        for name, scenario in manifest.scenarios.items()
        for modality in scenario.plans
        if modality not in available
    ]
    if absent:
        raise UsageError(f"{manifest.name}: {len(absent)} problems\n" + "\n".join(f"  {line}" for line in absent))


def _read(manifest: Manifest, scenario: str, split: Split) -> Rows:
    files = _files(manifest, scenario, split)
    if not files:
        raise UserError(_absence_message(manifest, split))
    expected = int(str(files[0].path).rsplit("-of-", 1)[1].removesuffix(".parquet"))
    if len(files) != expected:
        raise UserError(
            f"{manifest.dataset}/{scenario}: {len(files)} of {expected} {split} shards are there; run the same avbuild "
            "command again, or avbuild verify to see which"
        )
    pool: dict[bytes, bytes] = {}  # an audio clip that is paired with many images is held in memory once
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
    def pooled(cell: dict[str, bytes]) -> bytes:
        return pool.setdefault(cell["bytes"], cell["bytes"])

    media: dict[str, Media] = {
        m: tuple(map(pooled, row[m])) if m == "video" else pooled(row[m]) for m in modalities if row[m] is not None
    }
    return Sample(row["id"], media, row["label"], row["group"], row["fold"])


def _shard_metadata(file: fsspec.core.OpenFile, name: bytes) -> bytes:
    """Return the value that `avbuild` wrote into a shard's metadata under a name; empty where there is none."""
    with file as stream:
        value: bytes = (pq.read_metadata(stream).metadata or {}).get(name, b"")
    return value


def _files(manifest: Manifest, scenario: str, split: Split) -> list[fsspec.core.OpenFile]:
    pattern = f"{manifest.dataset}/{scenario}/{split}-*.parquet"
    fs, path = fsspec.url_to_fs(pattern)
    return [fsspec.core.OpenFile(fs, name, "rb") for name in sorted(fs.glob(path))]


def _absence_message(manifest: Manifest, split: Split) -> str:
    fs, path = fsspec.url_to_fs(manifest.dataset)
    name = manifest.dataset.rstrip("/").rsplit("/", 1)[-1]
    if not fs.exists(path):
        parent = manifest.dataset.rstrip("/").rsplit("/", 1)[0]
        return f"{manifest.dataset}: no data set there. Make it:  avbuild make {name} --out {parent}/"
    return f"{manifest.dataset}: has no {split} split; avbuild inspect {manifest.dataset} shows what it has"
