"""Names of files and folders, as people's disks hold them."""

import os
import unicodedata

MACOS = "__MACOSX"  # the folder of resource forks in archives that macOS writes


def is_visible(name: str) -> bool:
    """Whether a file or folder is one of the user's, not one that the system keeps there."""
    return not name.startswith(".") and name != MACOS


def is_utf8(name: str) -> bool:
    """Whether a name is UTF-8: Python keeps other bytes as surrogates, which no file can store."""
    return not any(unicodedata.category(letter) == "Cs" for letter in name)


def normal(name: str) -> str:
    """Return a name in Unicode's form NFC: macOS may write an accent as a letter of its own."""
    return unicodedata.normalize("NFC", name)


def printable(path: str) -> str:
    """Return a path that every terminal and file can hold: what is no UTF-8 or a control character is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
