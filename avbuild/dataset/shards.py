"""Parquet shards: written whole, recognised when finished, read row by row."""

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NotRequired, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from avbuild.dataset.storage import Folder
from avbuild.frozen import Frozen
from avbuild.modalities.registry import MODALITIES, modalities_of
from avbuild.scenarios.seeding import digest

ROWS_PER_SHARD = 256  # 15 to 30 MB of 4 s clips: small enough to hold a few times over, large enough to be few


class Encoded(TypedDict):
    """A cell of the `audio` or `image` column, or one frame of the `video` column."""

    bytes: bytes
    path: str


Cell = Encoded | list[Encoded]  # a list: the frames of a video, in order of time


class StoredSample(TypedDict):
    """A row of a data set, which has two columns for each of its modalities and none for others."""

    id: str
    audio: NotRequired[Encoded | None]
    image: NotRequired[Encoded | None]
    video: NotRequired[list[Encoded] | None]
    label: int
    group: str
    fold: int
    audio_missing: NotRequired[bool]
    image_missing: NotRequired[bool]
    video_missing: NotRequired[bool]
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


def cells_of(sample: StoredSample) -> dict[str, Cell]:
    """The encoded media of a row by modality, without those that are missing."""
    row = cast(dict[str, Any], sample)
    return {modality: row[modality] for modality in modalities_of(row) if row[modality] is not None}


def encoded_files(cell: Cell) -> list[Encoded]:
    """The files in a cell: one, or the frames of a video."""
    return cell if isinstance(cell, list) else [cell]


def missing_of(sample: StoredSample) -> dict[str, bool]:
    """Which modalities of a row are missing."""
    row = cast(dict[str, Any], sample)
    return {modality: row[f"{modality}_missing"] for modality in modalities_of(row)}


def with_media(sample: StoredSample, cells: Mapping[str, Cell], gone: Collection[str], corruption: str) -> StoredSample:
    """The same row with other media.  gone: the modalities that are missing besides those that were already."""
    missing = missing_of(sample)
    media = {modality: cells.get(modality) for modality in missing}
    flags = {f"{modality}_missing": was or modality in gone for modality, was in missing.items()}
    return cast(StoredSample, {**sample, **media, **flags, "corruption": corruption})


def schema(classes: Sequence[str], modalities: Sequence[str]) -> pa.Schema:
    """Arrow types of a row, with the `datasets` features that stock `load_dataset` reads."""
    missing = (pa.bool_(), {"dtype": "bool", "_type": "Value"})
    columns: dict[str, tuple[pa.DataType, dict[str, Any]]] = {
        "id": (pa.string(), {"dtype": "string", "_type": "Value"}),
        **{m: (MODALITIES[m].arrow_type, dict(MODALITIES[m].feature)) for m in modalities},
        "label": (pa.int64(), {"names": list(classes), "_type": "ClassLabel"}),
        "group": (pa.string(), {"dtype": "string", "_type": "Value"}),
        "fold": (pa.int32(), {"dtype": "int32", "_type": "Value"}),
        **{f"{modality}_missing": missing for modality in modalities},
        "corruption": (pa.string(), {"dtype": "string", "_type": "Value"}),
    }
    features = {name: feature for name, (_, feature) in columns.items()}
    return pa.schema(
        {name: kind for name, (kind, _) in columns.items()},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def write_shard(
    folder: Folder, name: str, samples: Sequence[StoredSample], classes: Sequence[str], job: str, scenario: str
) -> ShardRecord:
    """Write one shard, whole or not at all; it has the modalities of its rows.

    job: hash of all that decides its bytes, by which a second start knows it is finished.  scenario: its hash.
    """
    content = content_hash(samples)
    table = pa.Table.from_pylist(list(samples), schema=schema(classes, modalities_of(samples[0])))
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


def read_samples(data: bytes) -> Iterator[StoredSample]:
    """The rows of a shard, a few in memory at a time.  Raises pyarrow.ArrowException or OSError where it is damaged."""
    for batch in pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).iter_batches(batch_size=32):
        yield from batch.to_pylist()


def content_hash(samples: Iterable[StoredSample]) -> str:
    """A hash of the rows themselves: the same whatever Parquet version holds them."""
    return digest([_row_digest(sample) for sample in samples])


def _row_digest(sample: StoredSample) -> str:
    row = cast(dict[str, Any], sample)
    media = [_cell_hash(row[modality]) for modality in modalities_of(row)]
    plain = {key: value for key, value in sample.items() if key not in MODALITIES}
    return digest(plain, media)


def _cell_hash(cell: Cell | None) -> str | list[str] | None:
    if cell is None:
        return None
    hashes = [hashlib.sha256(file["bytes"]).hexdigest() for file in encoded_files(cell)]
    return hashes if isinstance(cell, list) else hashes[0]


def _record(name: str, samples: Sequence[StoredSample], data: bytes | memoryview, content: str) -> ShardRecord:
    rows = [missing_of(sample) for sample in samples]
    missing = {modality: sum(row[modality] for row in rows) for modality in rows[0]}
    return ShardRecord(
        file=name,
        rows=len(samples),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content=content,
        missing=missing,
    )


def _leaves(arrow_schema: pa.Schema) -> list[str]:
    """Columns as Parquet names them: `image.bytes`, and `video.list.element.bytes` for what lies in a list."""
    leaves: list[str] = []
    for column in arrow_schema:
        name, kind = column.name, column.type
        if pa.types.is_list(kind):
            name, kind = f"{name}.list.element", kind.value_type
        inner = [f"{name}.{child.name}" for child in kind] if pa.types.is_struct(kind) else []
        leaves += inner or [name]
    return leaves
