"""The rows of a split in Arrow files on the local disk, where a sample is read by its index.

NAME.files.arrow holds every distinct media file once, an audio clip that is paired with many images too.
NAME.rows.arrow holds ids, labels, groups and folds, and for each modality the numbers of its files.  NAME.json is
written last, with the length and digest of the others, and
what the shards looked like.  Equal rows give equal bytes, so that processes that write one
map at once do not disturb each other.
"""

import hashlib
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avbuild.dataset.rows import StoredSample, content_hash, encoded_files
from avbuild.dataset.storage import partial_name, whole_file, write_whole, writing
from avbuild.errors import UserError
from avbuild.modalities.registry import MODALITIES
from avtrain.data.samples import LazySamples, Media, Sample
from avtrain.data.shard_files import ShardFile, ShardHeader
from avtrain.data.shard_stamps import open_record, sealed_record, stamps_of

PARTS = ("files.arrow", "rows.arrow")
BATCH_BYTES, BATCH_ROWS = 8 << 20, 4096  # of a record batch


class RowMap(LazySamples):
    """The samples of a map on disk.  Media stay there until they are used; the rest, about 100 bytes a row, is read.

    Media are read from the open file at their positions.  Pages of a memory-mapped file would count as memory of the
    process, and giving them back makes every later access a page fault.

    Pickled, it is its path: every process opens the files itself.

    Args:
        stem: path of the map without the suffixes of its files.
        owner: kept as long as the map, such as the temporary folder it is in.
    """

    def __init__(self, stem: Path, owner: object = None) -> None:
        self.stem, self._owner = stem, owner
        with pa.OSFile(str(_part(stem, "rows.arrow"))) as source:
            table = pa.ipc.open_file(source).read_all()
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        self._ids, self._groups = StringColumn(columns.pop("id")), StringColumn(columns.pop("group"))
        self._labels, self._folds = columns.pop("label").to_numpy(), columns.pop("fold").to_numpy()
        self._present = {m: np.asarray(column.is_valid()) for m, column in columns.items()}
        self._starts = {m: column.offsets.to_numpy() for m, column in columns.items()}
        self._numbers = {m: column.values.to_numpy() for m, column in columns.items()}
        self._positions = _positions(_part(stem, "files.arrow"))
        self._media = _part(stem, "files.arrow").open("rb", buffering=0)

    def __reduce__(self) -> tuple[type["RowMap"], tuple[Path]]:
        return RowMap, (self.stem,)

    def __len__(self) -> int:
        return len(self._ids)

    def sample(self, index: int) -> Sample:
        """Return one sample, whose media are read when they are used."""
        present = tuple(modality for modality, found in self._present.items() if found[index])
        return Sample(
            self._ids[index],
            MappedMedia(self, index, present),
            int(self._labels[index]),
            self._groups[index],
            int(self._folds[index]),
        )

    def media(self, index: int, modality: str) -> Media:
        """Read the media of a sample in one modality, which it has."""
        starts = self._starts[modality]
        files = tuple(self._read(int(n)) for n in self._numbers[modality][starts[index] : starts[index + 1]])
        return files if MODALITIES[modality].framewise else files[0]

    def _read(self, number: int) -> bytes:
        start, end = self._positions[number].tolist()
        data = os.pread(self._media.fileno(), end - start, start)  # one file serves threads and forked processes
        if len(data) != end - start:
            raise UserError(f"{self._media.name}: it was cut short while it was in use; start the command again")
        return data


class StringColumn:
    """Strings of an Arrow array, each decoded from its bytes, ten times faster than through an Arrow scalar.

    Args:
        column: strings without nulls.
    """

    def __init__(self, column: pa.StringArray) -> None:
        _, offsets, data = column.buffers()
        self._ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4)
        self._bytes = memoryview(data) if data is not None else memoryview(b"")  # all of them empty: no buffer

    def __getitem__(self, index: int) -> str:
        return str(self._bytes[self._ends[index] : self._ends[index + 1]], "utf-8")

    def __len__(self) -> int:
        return len(self._ends) - 1


class MappedMedia(Mapping[str, Media]):
    """The media of one sample of a map.

    Args:
        rows: the map.
        index: of the sample.
        present: its modalities, without those that are missing.
    """

    __slots__ = ("_index", "_present", "_rows")

    def __init__(self, rows: RowMap, index: int, present: tuple[str, ...]) -> None:
        self._rows, self._index, self._present = rows, index, present

    def __getitem__(self, modality: str) -> Media:
        if modality not in self._present:
            raise KeyError(modality)
        return self._rows.media(self._index, modality)

    def __contains__(self, modality: object) -> bool:
        return modality in self._present

    def __iter__(self) -> Iterator[str]:
        return iter(self._present)

    def __len__(self) -> int:
        return len(self._present)


def _positions(path: Path) -> NDArray[np.int64]:
    """Return start and end of each media file in an Arrow file, in bytes, [files, 2]."""
    bounds = [np.empty((0, 2), np.int64)]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        mapped = pa.py_buffer(pages)
        for chunk in pa.ipc.open_file(pa.BufferReader(mapped)).read_all()["bytes"].chunks:
            _, offsets, data = chunk.buffers()
            ends = np.frombuffer(offsets, np.int64, len(chunk) + 1, chunk.offset * 8) + (data.address - mapped.address)
            bounds.append(np.stack([ends[:-1], ends[1:]], axis=1))
            del chunk, offsets, data
        del mapped
    return np.concatenate(bounds)


def find_damage(stem: Path) -> str | None:
    """Read a map and return what is wrong with it, `absent` where nothing is there, or None."""
    expected = _part(stem, "json")
    if not expected.exists():
        return "unfinished" if any(_part(stem, part).exists() for part in PARTS) else "absent"
    try:
        recorded = open_record(expected.read_bytes())
        return None if {part: recorded[part] for part in PARTS} == _digests(stem) else "damaged"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "damaged"


def write_row_map(stem: Path, shards: Sequence[ShardFile], headers: Sequence[ShardHeader]) -> None:
    """Copy the rows of shards into a map, which counts as written only when it is complete.

    Args:
        stem: path without the suffixes of its files.
        shards: at least one, in order.
        headers: theirs.

    Raises:
        UserError: a shard is damaged, or the files cannot be written.
    """
    first = headers[0]
    names = {part: partial_name(_part(stem, part).name, os.getpid()) for part in (*PARTS, "json")}
    with (
        whole_file(_part(stem, "files.arrow"), names["files.arrow"]) as files,
        whole_file(_part(stem, "rows.arrow"), names["rows.arrow"]) as rows,
    ):
        copy = _Copy(files, rows, first.modalities)
        for shard, header in zip(shards, headers, strict=True):
            if (header.classes, header.modalities) != (first.classes, first.modalities):
                raise shard.damaged(f"its classes or modalities are not those of {shards[0].path}")
            content = content_hash(copy.adding(shard))
            if header.content not in ("", content):
                raise shard.damaged("its rows are not those that were written")
            pa.default_memory_pool().release_unused()
        copy.finish()
    with writing(stem):
        about = {"data": shards[0].path.rsplit("/", 2)[0], "rows of": shards[0].path.rsplit("/", 2)[1]}
        record = sealed_record({**_digests(stem), "about": about, "shards": stamps_of(shards)})
    write_whole(_part(stem, "json"), record, names["json"])


class _Copy:
    """A map that is being written.

    Args:
        files: open file of the distinct media files.
        rows: open file of the rows.
        modalities: of the rows.
    """

    def __init__(self, files: BinaryIO, rows: BinaryIO, modalities: Sequence[str]) -> None:
        self._modalities = modalities
        references = {modality: pa.list_(pa.int64()) for modality in modalities}
        plain = {"id": pa.string(), "label": pa.int64(), "group": pa.string(), "fold": pa.int32()}
        self._files = pa.ipc.new_file(files, pa.schema({"bytes": pa.large_binary()}))
        self._schema = pa.schema({**plain, **references})
        self._rows = pa.ipc.new_file(rows, self._schema)
        self._numbers: dict[bytes, int] = {}  # digest of a file -> its number
        self._new: list[bytes] = []
        self._new_bytes = 0
        self._pending: list[dict[str, Any]] = []

    def adding(self, shard: ShardFile) -> Iterator[StoredSample]:
        """Add the rows of a shard, and yield each as it was stored."""
        row: Any
        for row in shard.rows():
            shard.checked(partial(self._add, row))
            if self._new_bytes >= BATCH_BYTES or len(self._pending) >= BATCH_ROWS:
                self._flush()
            yield row

    def finish(self) -> None:
        """Write what is left, and the ends of both files."""
        self._flush()
        self._files.close()
        self._rows.close()

    def _add(self, row: dict[str, Any]) -> None:
        cells = {modality: row[modality] for modality in self._modalities}
        numbers = {
            modality: None if cell is None else [self._number(file["bytes"]) for file in encoded_files(cell)]
            for modality, cell in cells.items()
        }
        self._pending.append({**{key: row[key] for key in ("id", "label", "group", "fold")}, **numbers})

    def _number(self, data: bytes) -> int:
        key = hashlib.blake2b(data, digest_size=16).digest()
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._new.append(data)
            self._new_bytes += len(data)
        return self._numbers[key]

    def _flush(self) -> None:
        if self._new:
            self._files.write_batch(pa.record_batch([pa.array(self._new, pa.large_binary())], names=["bytes"]))
        if self._pending:
            self._rows.write_batch(pa.RecordBatch.from_pylist(self._pending, schema=self._schema))
        self._new, self._new_bytes, self._pending = [], 0, []


def _part(stem: Path, part: str) -> Path:
    return stem.with_name(f"{stem.name}.{part}")


def _digests(stem: Path) -> dict[str, list[int | str]]:
    """Return length and digest of the files of a map."""
    found: dict[str, list[int | str]] = {}
    for part in PARTS:
        with _part(stem, part).open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            found[part] = [file.tell(), digest.hexdigest()]
    return found
