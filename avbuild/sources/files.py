"""Checks of files that several corpora share."""

from pathlib import Path

from avbuild.sources.corpus import Problem

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def file_problem(path: Path) -> Problem | None:
    """Return the problem of a file that is missing or empty, else None; the file is not opened."""
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
    """Describe a folder for an error: the first names in it, or that it is empty or does not exist.

    Args:
        folder: to describe.
        most: number of names.
    """
    if not folder.is_dir():
        return "no such folder"
    return ", ".join(sorted(path.name for path in folder.iterdir())[:most]) or "nothing"
