"""The Parquet shards of a data set: which files they are, and their rows, checked while they are read."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from avbuild.dataset.splits import SPLITS, Split
from avbuild.errors import UserError
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import CLEAN, Manifest

POINTER = b"version https://git-lfs"  # how a Git LFS pointer begins
COPIED_TOGETHER = 64  # rows that are in memory at a time
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class ShardHeader:
    """The header of a shard: what it says of its rows.

    Attributes:
        classes: names, in the order of the class indices.
        modalities: of its columns, in the order of the registry.
        rows: number of rows.
        scenario: hash of the scenario; empty where `avbuild` did not write the shard.
        content: hash of the rows; empty where `avbuild` did not write the shard.
    """

    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    rows: int
    scenario: str
    content: str


@dataclass(frozen=True)
class ShardFile:
    """One shard, on a local disk or behind any fsspec URL.

    Attributes:
        files: file system.
        path: in the file system.
    """

    files: fsspec.AbstractFileSystem
    path: str

    def header(self) -> ShardHeader:
        """Read the header.  Raises UserError where the shard is damaged."""
        with self._opened() as parquet:
            return _header(parquet)

    def digest(self) -> str:
        """Return a digest of the whole file, 32 hexadecimal digits.  Raises UserError where it cannot be read."""
        found = hashlib.blake2b(digest_size=16)
        try:
            with fsspec.core.OpenFile(self.files, self.path, "rb") as stream:
                while piece := stream.read(1 << 20):
                    found.update(piece)
        except OSError as error:
            raise self.damaged(error) from error
        return found.hexdigest()

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows, with the checksum of every page verified.

        Args:
            columns: names; None: all.

        Raises:
            UserError: the shard is damaged.
        """
        with self._opened() as parquet:
            found = 0
            for batch in parquet.iter_batches(batch_size=COPIED_TOGETHER, columns=columns):
                found += batch.num_rows
                yield batch
            if found != parquet.metadata.num_rows:
                raise ValueError(f"{found} of {parquet.metadata.num_rows} rows are there")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as Python values.  Raises UserError where the shard is damaged."""
        for batch in self.batches():
            yield from self.checked(batch.to_pylist)

    def checked(self, read: Callable[[], Any]) -> Any:
        """Call a function on what was read.  Raises UserError that names the shard where the function fails."""
        try:
            return read()
        except UNREADABLE as error:
            raise self.damaged(error) from error

    def damaged(self, why: object) -> UserError:
        """Return the error for this shard."""
        if self._is_pointer():
            return UserError(
                f"{self.path}: a Git LFS pointer, not the file itself; fetch it with  git lfs pull  in that folder"
            )
        reason = " ".join(str(why).split())[:200] or type(why).__name__
        return UserError(
            f"{self.path}: damaged: {reason}. Copy it again, or run the same avbuild command again, which replaces "
            "damaged shards"
        )

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            with fsspec.core.OpenFile(self.files, self.path, "rb") as stream:
                yield pq.ParquetFile(stream, page_checksum_verification=True)
        except UNREADABLE as error:
            raise self.damaged(error) from error

    def _is_pointer(self) -> bool:
        try:
            return bool(self.files.cat_file(self.path, 0, len(POINTER)) == POINTER)
        except OSError:
            return False


def shard_files(manifest: Manifest, scenario: str, split: Split) -> list[ShardFile]:
    """Return the shards of a split, by number; other files, such as copies made by a cloud folder, are not among them.

    Args:
        manifest: names the data set.
        scenario: folder in the data set.
        split: `train`, `validation` or `test`.

    Returns:
        Empty where there are none.

    Raises:
        UserError: some of them are missing, or they belong to different builds.
    """
    files, folder = fsspec.url_to_fs(f"{manifest.dataset.rstrip('/')}/{scenario}")
    try:
        entries = files.ls(folder, detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = {str(entry).rstrip("/").rsplit("/", 1)[-1]: str(entry) for entry in entries}
    pattern = re.compile(rf"{split}-([0-9]{{5}})-of-([0-9]{{5}})\.parquet")
    found = {name: match for name in names if (match := pattern.fullmatch(name))}
    counts = sorted({int(match[2]) for match in found.values()})
    place = f"{manifest.dataset}/{scenario}"
    if len(counts) > 1:
        raise UserError(
            f"{place}: {split} shards of different builds, of {' and of '.join(map(str, counts))} files; remove those "
            "that do not belong, avbuild verify shows which"
        )
    if counts and {int(match[1]) for match in found.values()} != set(range(counts[0])):
        raise UserError(
            f"{place}: {len(found)} of {counts[0]} {split} shards are there; run the same avbuild command again, or "
            "avbuild verify to see which"
        )
    return [ShardFile(files, names[name]) for name in sorted(found)]


def stored_modalities(manifest: Manifest) -> tuple[str, ...]:
    """Return the modalities of a manifest's data set, in the order of the registry; empty where it is not there."""
    for split in SPLITS:
        if shards := shard_files(manifest, CLEAN, split):
            return shards[0].header().modalities
    return ()


def _header(parquet: pq.ParquetFile) -> ShardHeader:
    metadata = dict(parquet.metadata.metadata or {})
    # the metadata stand in the file twice, without a checksum: a difference is damage
    if (stored := metadata.pop(b"ARROW:schema", None)) is not None:
        copy = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored, validate=True))).metadata or {}
        if copy != metadata:
            raise ValueError("its metadata contradict each other")
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    return ShardHeader(
        classes=tuple(features["label"]["names"]),
        modalities=tuple(modality for modality in MODALITIES if modality in features),
        rows=parquet.metadata.num_rows,
        scenario=metadata.get(b"avbuild.scenario", b"").decode(),
        content=metadata.get(b"avbuild.content", b"").decode(),
    )
