"""Checks of files that several corpora share."""

import os
import stat
from pathlib import Path

from avbuild.sources.corpus import Problem
from avbuild.sources.names import is_visible, printable

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LARGEST_POINTER = 1024  # bytes, as Git LFS says


def file_problem(path: Path, may_be_empty: bool = False) -> Problem | None:
    """Return the problem of a file that is missing, empty, a Git-LFS pointer or no file, else None.

    Args:
        path: of the file.
        may_be_empty: whether no bytes are content too, as for a text.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe, for example, would be read for ever
            return Problem(str(path), "not a file")
        if status.st_size == 0 and not may_be_empty:
            return Problem(str(path), "empty")
        if status.st_size <= LARGEST_POINTER and is_lfs_pointer(path):
            return Problem(str(path), "a Git-LFS pointer, not the file it stands for")
    except FileNotFoundError:
        return Problem(str(path), "missing")
    except OSError as error:
        return Problem(str(path), f"unreadable: {error.strerror or error}")
    return None


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a Git-LFS pointer in place of the content."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def visible(folder: Path) -> list[Path]:
    """Return the files and folders in a folder, in order, but for hidden ones; none where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if is_visible(path.name))
    except OSError:
        return []


def contents(folder: Path, most: int = 8) -> str:
    """Describe a folder for an error: the first names in it, or that it is empty or cannot be read.

    Args:
        folder: to describe.
        most: number of names.
    """
    if not folder.is_dir():
        return "no such folder"
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f"nothing that can be read ({error.strerror})"
    return ", ".join(printable(name) for name in names[:most]) or "nothing"
