"""Files of a data set, on a local disk or behind any fsspec URL. Files are written atomically."""

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import fsspec

from avbuild.errors import cannot_write


class Folder:
    """A folder that is read and written by relative names.

    Args:
        url: a local path or any fsspec URL.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url).rstrip("/") or "/"
        self._fs, self._root = fsspec.url_to_fs(self.url)
        self.local = "file" in self._fs.protocol

    def __str__(self) -> str:
        return self.url

    def path(self, name: str) -> str:
        """Return the name with the folder before it, for messages."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes:
        """Return all bytes of a file.  Raises FileNotFoundError."""
        try:
            return bytes(self._fs.cat_file(self._full(name)))
        except NotADirectoryError as error:  # a parent of the path is a file
            raise FileNotFoundError(*error.args) from error

    def exists(self, name: str) -> bool:
        """Whether a file or folder of that name exists."""
        return bool(self._fs.exists(self._full(name)))

    def names(self) -> list[str]:
        """Return all files below the folder, sorted, without unfinished ones."""
        if not self._fs.isdir(self._root):
            return []
        prefix = self._root.rstrip("/") + "/"
        found = (str(path).removeprefix(prefix) for path in self._fs.find(self._root))
        return sorted(name for name in found if not name.rsplit("/", 1)[-1].startswith(".partial-"))

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file atomically: no reader and no crash ever sees half of it.  Raises UserError where that fails."""
        if self.local:
            target = Path(self._full(name))
            write_whole(target, data, partial_name(target.name, os.getpid()))
            return
        with writing(self.path(name)):  # object stores show an object only when its upload is complete
            self._fs.pipe_file(self._full(name), bytes(data))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._fs.rm_file(self._full(name))

    def remove_abandoned(self) -> None:
        """Remove unfinished files of killed processes of this machine; those of running processes stay."""
        for path in self._fs.find(self._root) if self.local and self._fs.exists(self._root) else ():
            if _abandoned(Path(path).name):
                Path(path).unlink(missing_ok=True)

    def _full(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


@contextmanager
def writing(place: object) -> Iterator[None]:
    """Turn an OSError inside the block into a UserError that names the place."""
    try:
        yield
    except OSError as error:
        raise cannot_write(place, error) from error


@contextmanager
def whole_file(target: Path, temporary_name: str | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete; a failed one is removed.

    Args:
        target: final path.
        temporary_name: file name until then; needed where several processes may write one target.

    Raises UserError where it cannot be written.
    """
    partial = target.with_name(temporary_name or f".partial-{target.name}")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def write_whole(target: Path, data: bytes | memoryview | str, temporary_name: str | None = None) -> None:
    """Write a file atomically, replacing an existing one.

    Args:
        target: final path.
        data: content; text is encoded as UTF-8.
        temporary_name: as in `whole_file`.

    Raises UserError where it cannot be written.
    """
    with whole_file(target, temporary_name) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def partial_name(name: str, process: int) -> str:
    """Return the name of a file while a process of this machine writes it.

    Args:
        name: final name.
        process: id of the process.
    """
    return f".partial-{_machine()}-{process}-{name}"


def remove_abandoned(folder: Path) -> None:
    """Remove unfinished files and folders directly in a local folder that killed processes of this machine left."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if _abandoned(path.name) and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif _abandoned(path.name):
            with suppress(OSError):  # another process may be removing it, and a folder may be for reading only
                path.unlink()


def _abandoned(name: str) -> bool:
    """Whether a name is by `partial_name`, of a process of this machine that has ended."""
    found = re.match(rf"\.partial-{_machine()}-([0-9]{{1,9}})-", name)
    return found is not None and not _alive(int(found[1]))


def _machine() -> str:
    """Return a short name of this machine: others may write to the same folder, with the same process ids."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
