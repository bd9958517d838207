"""Text files that people bring: tables, label maps, lists, manifests."""

import codecs
import shlex
from pathlib import Path

from avbuild.errors import UsageError

# encodings that are used where UTF-8 is not, with the letters that most of what is not ASCII would be
LIKELY = (("CP949", "\uac00", "\ud7a3"), ("GB18030", "\u4e00", "\u9fff"), ("WINDOWS-1252", "\u00c0", "\u00ff"))
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
            raise UsageError(f"{origin}: is {name}; a {what} is UTF-8: save it so{_convert(origin, name)}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        likely = _likely_encoding(data)
        hint = f". It looks like {likely}: save it as UTF-8{_convert(origin, likely)}" if likely else "; save it so"
        raise UsageError(f"{origin}: line {line} is not UTF-8, which a {what} is{hint}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"{origin}: line {line} holds a null byte; it is no {what}")
    return text


def _convert(origin: str, encoding: str) -> str:
    """Return the command that converts a file, as the end of an error."""
    path = Path(origin)
    new = path.with_name(f"{path.stem}-utf8{path.suffix}")
    return f", or run  iconv -f {encoding} -t UTF-8 {shlex.quote(origin)} > {shlex.quote(str(new))}"


def _likely_encoding(data: bytes) -> str:
    """Return the encoding under which nine tenths of what is not ASCII are letters of its language; empty: none."""
    for name, first, last in LIKELY:
        try:
            foreign = [letter for letter in data.decode(name) if not letter.isascii()]
        except UnicodeDecodeError:
            continue
        if sum(first <= letter <= last for letter in foreign) >= 0.9 * len(foreign):
            return name
    return ""
