"""A lock on a run's folder: two trainings in one would write over each other's files."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from avbuild.dataset.storage import writing
from avbuild.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # there is no such module then


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run while the block runs; it ends with the process, however that ends.

    The lock stands beside the folder, which may be removed and made anew inside the block; a killed process leaves its
    file behind, which locks nothing.
    Raises UserError that names the process which holds it.
    """
    if fcntl is None:
        yield
        return
    real = folder.resolve()  # links to one folder share its lock
    path = real.with_name(f".{real.name}.lock")
    absent = [parent for parent in path.parents if not parent.exists()]
    file = _acquire(path, folder)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
        for parent in absent:  # that nothing was written into
            with suppress(OSError):
                parent.rmdir()


def _acquire(path: Path, folder: Path) -> IO[str]:
    while True:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(file)
            raise UserError(f"{folder}: {owner} is training it; wait for its end, or choose another --name") from None
        except OSError:  # a file system without locks
            return file
        if _is_still(path, file):
            break
        file.close()  # its holder has just removed it
    file.truncate(0)
    file.write(json.dumps({"process": os.getpid(), "machine": platform.node()}))
    file.flush()
    return file


def _is_still(path: Path, file: IO[str]) -> bool:
    """Whether an open file is the one that stands at a path."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _owner(file: IO[str]) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read())
        return f"process {owner['process']} on {owner['machine']}"
    except (ValueError, KeyError, TypeError):  # it is just about to write
        return "another process"
