"""Parquet shards: written whole, recognised when finished, read row by row."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from avbuild.frozen import Frozen
from avbuild.media import SAMPLE_RATE
from avbuild.seeding import digest
from avbuild.storage import Folder

PAIRS_PER_SHARD = 256  # 15 to 30 MB of 4 s clips: small enough to hold a few times over, large enough to be few
MODALITIES = ("audio", "image")


class Encoded(TypedDict):
    """A cell of the `audio` or `image` column."""

    bytes: bytes
    path: str


class Sample(TypedDict):
    """A row of a data set."""

    id: str
    audio: Encoded | None
    image: Encoded | None
    label: int
    group: str
    fold: int
    audio_missing: bool
    image_missing: bool
    corruption: str


class ShardRecord(Frozen):
    """What `build.json` knows of a shard."""

    file: str  # relative to the data set
    rows: int
    bytes: int
    sha256: str  # of the file
    content: str  # of the rows, whatever wrote the Parquet around them
    missing: dict[str, int]


def shard_name(scenario: str, split: str, index: int, count: int) -> str:
    """`D/test-00000-of-00004.parquet`."""
    return f"{scenario}/{split}-{index:05d}-of-{count:05d}.parquet"


def schema(classes: Sequence[str]) -> pa.Schema:
    """Arrow types of a row, with the `datasets` features that stock `load_dataset` reads."""
    encoded = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    columns: dict[str, tuple[pa.DataType, dict[str, Any]]] = {
        "id": (pa.string(), {"dtype": "string", "_type": "Value"}),
        "audio": (encoded, {"sampling_rate": SAMPLE_RATE, "_type": "Audio"}),
        "image": (encoded, {"_type": "Image"}),
        "label": (pa.int64(), {"names": list(classes), "_type": "ClassLabel"}),
        "group": (pa.string(), {"dtype": "string", "_type": "Value"}),
        "fold": (pa.int32(), {"dtype": "int32", "_type": "Value"}),
        "audio_missing": (pa.bool_(), {"dtype": "bool", "_type": "Value"}),
        "image_missing": (pa.bool_(), {"dtype": "bool", "_type": "Value"}),
        "corruption": (pa.string(), {"dtype": "string", "_type": "Value"}),
    }
    features = {name: feature for name, (_, feature) in columns.items()}
    return pa.schema(
        {name: kind for name, (kind, _) in columns.items()},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def write_shard(
    folder: Folder, name: str, samples: Sequence[Sample], classes: Sequence[str], job: str, scenario: str
) -> ShardRecord:
    """Write one shard, whole or not at all.

    job: hash of all that decides its bytes, by which a second start knows it is finished.  scenario: its hash.
    """
    content = content_hash(samples)
    table = pa.Table.from_pylist(list(samples), schema=schema(classes))
    marks = {"avbuild.job": job, "avbuild.scenario": scenario, "avbuild.content": content}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **marks})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, len(samples)),
        # a clip that serves many pictures is one dictionary entry; the media are compressed already
        use_dictionary=["audio.bytes", "group"],
        dictionary_pagesize_limit=2**30,
        compression={column: "NONE" if column.endswith(".bytes") else "ZSTD" for column in _leaves(table.schema)},
        write_page_checksum=True,
    )
    data = memoryview(sink.getvalue())
    folder.write(name, data)
    record = _record(name, samples, data, content)
    del table, sink, data
    pa.default_memory_pool().release_unused()  # else a long run grows by what each shard leaves behind
    return record


def finished_shard(folder: Folder, name: str, job: str) -> ShardRecord | None:
    """The record of a shard that an earlier start finished for the same job, or None where it must be written."""
    if not folder.exists(name):
        return None
    data = folder.read(name)
    try:
        marks = pq.read_schema(io.BytesIO(data)).metadata or {}
        if marks.get(b"avbuild.job") != job.encode():
            return None
        samples = list(read_samples(data))
    except (pa.ArrowException, OSError):  # truncated or damaged: write it again
        return None
    content = content_hash(samples)
    return _record(name, samples, data, content) if marks.get(b"avbuild.content") == content.encode() else None


def read_samples(data: bytes) -> Iterator[Sample]:
    """The rows of a shard, a few in memory at a time.  Raises pyarrow.ArrowException or OSError where it is damaged."""
    for batch in pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).iter_batches(batch_size=32):
        yield from batch.to_pylist()


def content_hash(samples: Iterable[Sample]) -> str:
    """A hash of the rows themselves: the same whatever Parquet version holds them."""
    return digest([_row_digest(sample) for sample in samples])


def _row_digest(sample: Sample) -> str:
    media: list[str | None] = []
    for cell in (sample["audio"], sample["image"]):
        media.append(None if cell is None else hashlib.sha256(cell["bytes"]).hexdigest())
    plain = {key: value for key, value in sample.items() if key not in MODALITIES}
    return digest(plain, media)


def _record(name: str, samples: Sequence[Sample], data: bytes | memoryview, content: str) -> ShardRecord:
    missing = {
        "audio": sum(sample["audio_missing"] for sample in samples),
        "image": sum(sample["image_missing"] for sample in samples),
    }
    return ShardRecord(
        file=name,
        rows=len(samples),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content=content,
        missing=missing,
    )


def _leaves(arrow_schema: pa.Schema) -> list[str]:
    leaves: list[str] = []
    for column in arrow_schema:
        inner = [f"{column.name}.{child.name}" for child in column.type] if pa.types.is_struct(column.type) else []
        leaves += inner or [column.name]
    return leaves
