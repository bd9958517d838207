"""Errors for files of a data set that are damaged."""

from avbuild.errors import UserError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def damaged(path: str, what: str, remedy: str) -> UserError:
    """Return the error for a damaged file of a data set.

    Args:
        path: of the file.
        what: is wrong with it.
        remedy: what to do.
    """
    return UserError(f"{path}: damaged: {what}; {remedy}")


def lfs_pointer(data: bytes) -> str:
    """Return what to say of a Git LFS pointer in place of a file, or nothing for any other bytes."""
    return "a Git LFS pointer, not the file (git lfs pull gets the file)" if data.startswith(LFS_POINTER) else ""


def first_line(error: Exception) -> str:
    """Return the first line of the message of an error."""
    return (str(error).splitlines() or [type(error).__name__])[0]
