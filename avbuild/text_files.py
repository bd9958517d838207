"""Text files that people bring: tables, label maps, lists, manifests."""

import codecs
from pathlib import Path

from avbuild.errors import UsageError

MARKS = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"), (codecs.BOM_UTF32_BE, "UTF-32"))


def read_text(path: Path, what: str) -> str:
    """Read a file as UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        what: it is, for errors: "label map".

    Raises UsageError where it cannot be read or is in another encoding.
    """
    try:
        return decode_text(path.read_bytes(), str(path), what)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise UsageError(f"{path}: no such {what}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def decode_text(data: bytes, origin: str, what: str) -> str:
    """Decode UTF-8.

    Args:
        data: of the whole file.
        origin: its path, for errors.
        what: it is, for errors.

    Raises UsageError that says where it is none, and which encoding it looks like.
    """
    for mark, name in MARKS:
        if data.startswith(mark):
            raise UsageError(f"{origin}: is {name}; a {what} is UTF-8: save it so")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{origin}: line {line} is not UTF-8, which a {what} is; save it so") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"{origin}: line {line} holds a null byte; it is no {what}")
    return text
