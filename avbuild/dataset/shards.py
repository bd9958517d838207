"""Parquet shards: written atomically, recognised when finished, read row by row."""

import hashlib
import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from avbuild.dataset.rows import StoredSample, content_hash, missing_of, schema
from avbuild.dataset.storage import Folder
from avbuild.frozen import Frozen
from avbuild.modalities.registry import modalities_of

ROWS_PER_SHARD = 256  # 15 to 30 MB of 4 s clips: several fit in memory, and a data set has few files
SHARD_NAME = r"[^/]+/(train|validation|test)-[0-9]{5,}-of-[0-9]{5,}\.parquet"


class ShardRecord(Frozen):
    """The entry of a shard in `build.json`."""

    file: str  # relative to the data set
    rows: int
    bytes: int
    sha256: str  # of the file
    content: str  # hash of the rows, independent of the Parquet version
    missing: dict[str, int]


def shard_name(scenario: str, split: str, index: int, count: int) -> str:
    """Return the file name of a shard, such as `D/test-00000-of-00004.parquet`."""
    return f"{scenario}/{split}-{index:05d}-of-{count:05d}.parquet"


def write_shard(
    folder: Folder, name: str, samples: Sequence[StoredSample], classes: Sequence[str], job: str, scenario: str
) -> ShardRecord:
    """Write one shard atomically; its columns follow from the modalities of its rows.

    Args:
        folder: of the data set.
        name: of the shard, relative to the folder.
        samples: rows, at least one.
        classes: names in the order of their index.
        job: hash of everything that decides the bytes, by which a restarted build recognises a finished shard.
        scenario: hash of the scenario.
    """
    content = content_hash(samples)
    table = pa.Table.from_pylist(list(samples), schema=schema(classes, modalities_of(samples[0])))
    table = table.replace_schema_metadata(_marked(table.schema, job, scenario, content).metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, len(samples)),
        # a clip that is paired with many images is one dictionary entry; media are compressed already
        use_dictionary=["audio.bytes", "group"],
        dictionary_pagesize_limit=2**30,
        compression={column: "NONE" if column.endswith(".bytes") else "ZSTD" for column in _leaves(table.schema)},
        write_page_checksum=True,
    )
    data = memoryview(sink.getvalue())
    folder.write(name, data)
    record = _record(name, samples, data, content)
    del table, sink, data
    pa.default_memory_pool().release_unused()  # else memory grows with every shard of a long run
    return record


def finished_shard(
    folder: Folder,
    name: str,
    job: str,
    classes: Sequence[str],
    scenario: str,
    before: ShardRecord | None = None,
) -> ShardRecord | None:
    """Return the record of a shard that was already written for the same job, or None where it must be written.

    Args:
        folder: of the data set.
        name: of the shard, relative to the folder.
        job: hash that `write_shard` stored in it.
        classes: names in the order of their index.
        scenario: hash of the scenario.
        before: its record in `build.json`, where it has one; with the same rows, the file must be the same too.
    """
    try:
        data = folder.read(name)
    except FileNotFoundError:
        return None
    try:
        written = pq.read_schema(io.BytesIO(data))
        if (written.metadata or {}).get(b"avbuild.job") != job.encode():
            return None
        samples = list(read_samples(data))
        if not samples:
            return None
        content = content_hash(samples)
        expected = _marked(schema(classes, modalities_of(samples[0])), job, scenario, content)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):  # truncated or damaged: write it again
        return None
    if not written.equals(expected, check_metadata=True):
        return None
    record = _record(name, samples, data, content)
    return None if before and before.content == content and before.sha256 != record.sha256 else record


def _marked(plain: pa.Schema, job: str, scenario: str, content: str) -> pa.Schema:
    """Return a schema with the marks by which a finished shard is recognised."""
    marks = {"avbuild.job": job, "avbuild.scenario": scenario, "avbuild.content": content}
    return plain.with_metadata({**(plain.metadata or {}), **marks})


def read_samples(data: bytes) -> Iterator[StoredSample]:
    """Yield the rows of a shard, holding a few in memory at a time.

    Args:
        data: bytes of the Parquet file.

    Raises pyarrow.ArrowException or OSError where it is damaged.
    """
    for batch in pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).iter_batches(batch_size=32):
        yield from batch.to_pylist()


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
    """Return the columns as Parquet names them: `image.bytes`, or `video.list.element.bytes` inside a list."""
    leaves: list[str] = []
    for column in arrow_schema:
        name, kind = column.name, column.type
        if pa.types.is_list(kind):
            name, kind = f"{name}.list.element", kind.value_type
        inner = [f"{name}.{child.name}" for child in kind] if pa.types.is_struct(kind) else []
        leaves += inner or [name]
    return leaves
