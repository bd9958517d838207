"""Files of a data set, on a local disk or behind any fsspec URL. Files are written atomically."""

import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from avbuild.errors import UserError, cannot_write
from avbuild.places import expanded, file_system, reaching


class Folder:
    """A folder that is read and written by relative names.

    Args:
        url: a local path, with or without `~`, or any fsspec URL.

    Raises UserError where the path is empty, or the URL cannot be reached.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = expanded(url).rstrip("/") or "/"
        self._fs, self._root = file_system(self.url)
        self.local = "file" in self._fs.protocol

    def __str__(self) -> str:
        return self.url

    def path(self, name: str) -> str:
        """Return the name with the folder before it, for messages."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes:
        """Return all bytes of a file.

        Raises FileNotFoundError where there is none, and UserError where it cannot be read.
        """
        try:
            with reaching(self.path(name)):
                return bytes(self._fs.cat_file(self._full(name)))
        except NotADirectoryError as error:  # a parent of the path is a file
            raise FileNotFoundError(*error.args) from error
        except IsADirectoryError:
            raise UserError(f"{self.path(name)}: a folder is where a file is expected; move it away") from None

    def exists(self, name: str) -> bool:
        """Whether a file or folder of that name exists."""
        with reaching(self.path(name)):
            return bool(self._fs.exists(self._full(name)))

    def require_files(self, *names: str) -> None:
        """Raise UserError where a folder has the name of a file that is to be written, before anything is."""
        for name in names:
            with reaching(self.path(name)):
                if self._fs.isdir(self._full(name)):
                    raise UserError(f"{self.path(name)}: a folder is where a file is expected; move it away")

    def names(self) -> list[str]:
        """Return all files below the folder, sorted, without unfinished ones.

        Links to folders are followed, but no folder is read twice, so that links in a circle end.
        """
        if self.local:
            found = _local_files(Path(self._root))
        else:
            prefix = self._root.rstrip("/") + "/"
            with reaching(self.url):
                paths = self._fs.find(self._root) if self._fs.isdir(self._root) else []
                found = [str(path).removeprefix(prefix) for path in paths]
        return sorted(name for name in found if not name.rsplit("/", 1)[-1].startswith(".partial-"))

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file atomically: no reader and no crash ever sees half of it.  Raises UserError where that fails."""
        if self.local:
            target = Path(self._full(name))
            write_whole(target, data, partial_name(target.name, os.getpid()))
            return
        # object stores show an object only when its upload is complete
        with reaching(self.path(name), "written"), writing(self.path(name)):
            self._fs.pipe_file(self._full(name), bytes(data))

    def remove(self, name: str) -> None:
        """Remove a file."""
        with reaching(self.path(name), "removed"), writing(self.path(name)):
            self._fs.rm_file(self._full(name))

    def remove_abandoned(self) -> None:
        """Remove unfinished files of killed processes of this machine; those of running processes stay."""
        if not self.local:
            return
        for name in _local_files(Path(self._root)):
            if _abandoned(name.rsplit("/", 1)[-1]):
                with writing(self.path(name)):
                    Path(self._full(name)).unlink(missing_ok=True)

    def _full(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _local_files(root: Path) -> list[str]:
    """Return all files below a folder, relative to it."""
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for path, folders, files in os.walk(root, followlinks=True):
        place = Path(path).stat()
        if (place.st_dev, place.st_ino) in seen:
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        found += [(Path(path) / file).relative_to(root).as_posix() for file in files]
    return found


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


def remove_abandoned(folder: Path, unsigned_after: float | None = None) -> list[Path]:
    """Remove unfinished files and folders directly in a local folder that killed processes of this machine left.

    Args:
        folder: to tidy up.
        unsigned_after: seconds after which an unfinished file that names no process, as version 0.1 wrote them, counts
            as abandoned too; None: it stays.

    Returns what was removed.
    """
    removed = []
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        with suppress(OSError):  # another process may be removing it, and a folder may be for reading only
            if _abandoned(path.name) or (unsigned_after is not None and _unsigned(path, unsigned_after)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    return removed


def _abandoned(name: str) -> bool:
    """Whether a name is by `partial_name`, of a process of this machine that has ended."""
    found = re.match(rf"\.partial-{_machine()}-([0-9]{{1,9}})-", name)
    return found is not None and not _alive(int(found[1]))


def _unsigned(path: Path, seconds: float) -> bool:
    """Whether an unfinished file is not named by `partial_name`, and was not written to for some seconds."""
    if not path.name.startswith(".partial-") or re.match(r"\.partial-[0-9a-f]{8}-[0-9]{1,9}-", path.name):
        return False
    return time.time() - path.stat().st_mtime >= seconds


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
