"""Paths and URLs: `~`, the protocols of fsspec, and errors for what cannot be reached."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.registry import known_implementations

from avbuild.errors import UsageError, UserError, nearest

SINGLE_COLON = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+):(?!//|:)/?(?P<rest>.*)", re.DOTALL)


def expanded(path: str | Path) -> str:
    """Return a path or URL with `~` replaced by the home folder.

    Args:
        path: as the user wrote it.

    Raises UsageError where it is empty, or where it names a user that there is not.
    """
    text = str(path)
    if not text.strip():
        raise UsageError("an empty path is given where a folder is needed; for the current folder write .")
    if "\0" in text:
        raise UsageError(f"{text!r}: a path cannot hold a null byte")
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        raise UsageError(f"{text}: no home folder is known for {text.split('/', 1)[0]}; write the whole path") from None


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a path or URL, and the path in it.

    Args:
        url: as `expanded` returns it.

    Raises UserError that names the protocol, and the package to install where one is missing.
    """
    match = SINGLE_COLON.fullmatch(url)
    if match and match["protocol"] in known_implementations and match["protocol"] not in ("file", "local"):
        raise UsageError(f"{url}: write {match['protocol']}://{match['rest']}, with two slashes")
    protocol = url.partition("://")[0]
    try:
        with reaching(url):
            file_system, root = fsspec.url_to_fs(url)
    except ImportError as error:
        known = known_implementations.get(protocol, {}).get("err", str(error))
        raise UserError(f"{url}: {protocol}:// needs a package that is not installed: {known}") from error
    return file_system, str(root)


@contextmanager
def reaching(place: str, what: str = "reached") -> Iterator[None]:
    """Turn what a remote file system or the disk raises inside the block into a UserError that names the place.

    A missing file, and a folder in place of a file or the other way round, stay what they are.

    Args:
        place: path or URL.
        what: was not possible: reached, written, removed.
    """
    try:
        yield
    except (UserError, ImportError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise
    except OSError as error:
        if what != "reached":  # `writing` explains it
            raise
        raise UserError(f"{place}: cannot be read: {error.strerror or _first_line(error)}") from error
    except ValueError as error:
        protocol = place.partition("://")[0]
        if "Protocol not known" not in str(error):
            raise UserError(f"{place}: cannot be {what}: {_first_line(error)}") from error
        hint = nearest(protocol, known_implementations)
        raise UsageError(f"{place}: no protocol {protocol}://{hint}; allowed: a local path, or an fsspec URL") from None
    except Exception as error:  # every remote file system has its own kinds of errors
        if "://" not in place:
            raise
        reason = f"{_first_line(error)}; check the network and the address"
        raise UserError(f"{place}: cannot be {what}: {reason}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
