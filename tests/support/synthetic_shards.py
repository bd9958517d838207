"""Data set folders of made-up bytes, written with `write_shard`, and the reader that holds all rows in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq

from avbuild.dataset.rows import StoredSample
from avbuild.dataset.shards import shard_name, write_shard
from avbuild.dataset.storage import Folder
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import Manifest
from avtrain.data.samples import Sample

CLASSES = ("cat", "dog", "owl")
MANIFEST = Manifest.model_validate({"manifest": 1, "name": "made-up", "dataset": ".", "scenarios": {"C": {}}})


def row(split: str, index: int, visual: str = "image") -> StoredSample:
    """Return a row whose audio clip is shared with others, and with a modality missing now and then."""
    audio = {"bytes": f"clip {index % 5}".encode() * 40, "path": "a.flac"}
    images = [
        {"bytes": f"{split} image {index} {n}".encode() * 20, "path": "i.png"} for n in range(1 + (visual == "video"))
    ]
    plain: dict[str, Any] = {
        "id": f"{split}-{index:04d}",
        "audio": None if index % 7 == 3 else audio,
        visual: None if index % 7 == 5 else images if visual == "video" else images[0],
        "label": index % len(CLASSES),
        "group": f"g{index % 11}",
        "fold": index % 3 + 1,
        "audio_missing": index % 7 == 3,
        f"{visual}_missing": index % 7 == 5,
        "corruption": "{}",
    }
    return cast(StoredSample, plain)


def write_data(folder: Path, rows: int = 60, shards: int = 3, visual: str = "image", scenario: str = "C") -> Manifest:
    """Write a data set with three splits of some rows each, and return a manifest for it."""
    per_shard = rows // shards
    for split in ("train", "validation", "test"):
        for shard in range(shards):
            samples = [row(split, index, visual) for index in range(shard * per_shard, (shard + 1) * per_shard)]
            write_shard(Folder(folder), shard_name(scenario, split, shard, shards), samples, CLASSES, "job", "hash")
    return MANIFEST.model_copy(update={"dataset": str(folder)})


def samples_in_memory(paths: Sequence[Path]) -> list[Sample]:
    """Return the rows of shards as lists of bytes, as avtrain 0.1 held them."""
    return [sample for path in paths for sample in _samples(path)]


def _samples(path: Path) -> Iterator[Sample]:
    table = pq.read_table(path)
    for found in table.to_pylist():
        media = {
            m: tuple(frame["bytes"] for frame in found[m]) if m == "video" else found[m]["bytes"]
            for m in MODALITIES
            if found.get(m) is not None
        }
        yield Sample(found["id"], media, found["label"], found["group"], found["fold"])
