"""Checks on files that readers of several corpora share."""

from pathlib import Path

from avbuild.sources.corpus import Problem

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def file_problem(path: Path) -> Problem | None:
    """Return what is wrong with a file before it is opened: missing or empty; None for a good one."""
    try:
        return Problem(str(path), "empty") if path.stat().st_size == 0 else None
    except FileNotFoundError:
        return Problem(str(path), "missing")


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a Git-LFS pointer in place of the content."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def contents(folder: Path, most: int = 8) -> str:
    """Return the first names in a folder, for an error; or that there is no such folder, or nothing in it."""
    if not folder.is_dir():
        return "no such folder"
    return ", ".join(sorted(path.name for path in folder.iterdir())[:most]) or "nothing"
