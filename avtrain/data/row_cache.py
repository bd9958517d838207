"""The cache of row maps: written on first use, checked when opened, shared by runs and by ranks."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import finalize

from avbuild.dataset.storage import Folder, writing
from avbuild.scenarios.seeding import digest
from avtrain.data.cache_uses import CacheUser
from avtrain.data.row_map import RowMap, find_damage, write_row_map
from avtrain.data.shard_files import ShardFile, ShardHeader
from avtrain.data.shard_stamps import verify_changed

LAYOUT = 1  # of the files of a map; raised when they change


def _here(compute: Callable[[], Path]) -> Path:
    return compute()


@dataclass(frozen=True)
class RowCache:
    """A folder of maps; a map is named by the content of its rows, so it never becomes stale.

    Attributes:
        folder: of the maps; None: a temporary one, which is removed when the rows are no longer used.
        on_rank0: calls a function on rank 0 and returns its result on all ranks.
        user: notes which maps are used; None: nobody asks.
    """

    folder: Path | None = None
    on_rank0: Callable[[Callable[[], Path]], Path] = _here
    user: CacheUser | None = None

    def open(self, shards: Sequence[ShardFile], headers: Sequence[ShardHeader]) -> RowMap:
        """Return the rows of shards, copying them where they are not in the cache yet.

        Args:
            shards: at least one, in order.
            headers: theirs.

        Raises:
            UserError: a shard is damaged, or the cache cannot be written.
        """
        folders: list[_TemporaryFolder] = []

        def ensure() -> Path:
            folder = self.folder
            name = _name(headers)
            if folder is None or name is None:
                folders.append(_TemporaryFolder())
                folder = folders[-1].path
            return _ensure(folder / (name or "rows"), shards, headers)

        stem = self.on_rank0(ensure)
        if self.user is not None and not folders:
            self.user.note(f"rows/{stem.name}")
        if not stem.with_name(f"{stem.name}.json").exists():  # rank 0 is on another machine
            stem = ensure()
        return RowMap(stem, owner=folders)


def _ensure(stem: Path, shards: Sequence[ShardFile], headers: Sequence[ShardHeader]) -> Path:
    """Write a map where there is none that is sound; returns its path.

    Of a sound map the shards are looked at again where their size or time changed since they were read last: training
    would not notice that they were damaged, but a copy of the data set would.
    """
    problem = find_damage(stem)
    if problem is None:
        verify_changed(stem, shards, headers)
        return stem
    if problem != "absent":
        print(f"{stem}: {problem}; it is written anew from the data set", file=sys.stderr)
    Folder(stem.parent).remove_abandoned()
    write_row_map(stem, shards, headers)
    return stem


def _name(headers: Sequence[ShardHeader]) -> str | None:
    """Return a digest of what the shards say of their content, or None where one does not say it."""
    if not all(header.content for header in headers):
        return None
    first = headers[0]
    contents = [[header.scenario, header.content] for header in headers]
    return digest("rows", LAYOUT, contents, list(first.classes), list(first.modalities))[:32]


class _TemporaryFolder:
    """A folder that is removed with this object, or when this process ends; not by processes forked from it."""

    def __init__(self) -> None:
        with writing(tempfile.gettempdir()):
            self.path = Path(tempfile.mkdtemp(prefix="avtrain-rows-"))
        finalize(self, _remove, self.path, os.getpid())


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
