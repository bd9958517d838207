"""Files of a data set, on disk or behind any fsspec URL. A file is there whole or not at all."""

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import fsspec

from avbuild.errors import cannot_write


class Folder:
    """A folder that is read and written by relative names.

    url: a local path or any fsspec URL.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url).rstrip("/") or "/"
        self._fs, self._root = fsspec.url_to_fs(self.url)
        self.local = "file" in self._fs.protocol

    def __str__(self) -> str:
        return self.url

    def path(self, name: str) -> str:
        """The name with the folder before it, for messages."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes:
        """All bytes of a file.  Raises FileNotFoundError."""
        try:
            return bytes(self._fs.cat_file(self._full(name)))
        except NotADirectoryError as error:  # below what is a file there is none
            raise FileNotFoundError(*error.args) from error

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        return bool(self._fs.exists(self._full(name)))

    def names(self) -> list[str]:
        """All files below, sorted; unfinished ones are not among them."""
        if not self._fs.isdir(self._root):
            return []
        prefix = self._root.rstrip("/") + "/"
        found = (str(path).removeprefix(prefix) for path in self._fs.find(self._root))
        return sorted(name for name in found if not name.rsplit("/", 1)[-1].startswith(".partial-"))

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file so that no reader and no crash ever sees half of it.  Raises UserError where it cannot be."""
        if self.local:
            target = Path(self._full(name))
            write_whole(target, data, partial_name(target.name, os.getpid()))
            return
        with writing(self.path(name)):  # object stores make an object visible when its upload completes
            self._fs.pipe_file(self._full(name), bytes(data))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._fs.rm_file(self._full(name))

    def remove_abandoned(self) -> None:
        """Remove what killed writers of this machine left behind; those of living processes stay."""
        for path in self._fs.find(self._root) if self.local and self._fs.exists(self._root) else ():
            name = Path(path).name
            if name.startswith(f".partial-{_machine()}-") and not _alive(int(name.split("-")[2])):
                Path(path).unlink(missing_ok=True)

    def _full(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


@contextmanager
def writing(place: object) -> Iterator[None]:
    """Raises UserError that names the place where what is inside cannot write."""
    try:
        yield
    except OSError as error:
        raise cannot_write(place, error) from error


@contextmanager
def whole_file(target: Path, until_then: str | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes its place when it is whole; of one that fails nothing stays.

    until_then: its name before; to be given where several processes may write one target.
    Raises UserError where it cannot be written.
    """
    partial = target.with_name(until_then or f".partial-{target.name}")
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


def write_whole(target: Path, data: bytes | memoryview | str, until_then: str | None = None) -> None:
    """Write a file, whole or not at all: the one that was there stays until then.  As `whole_file`."""
    with whole_file(target, until_then) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def partial_name(name: str, process: int) -> str:
    """What a file is called while a process of this machine writes it."""
    return f".partial-{_machine()}-{process}-{name}"


def _machine() -> str:
    """A short word for this machine: others may write to the same folder, with processes of the same numbers."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
