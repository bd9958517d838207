"""Text given as a string: checked, and put in the form that corruptions and models take."""

from typing import Any

from avbuild.api.arrays import Restore, described
from avbuild.errors import UsageError
from avbuild.modalities.text import nfc


def take_text(value: Any) -> tuple[str, Restore]:
    """Return a text in Unicode's form NFC, as a data set stores it, and the function that returns a text as it is.

    >>> take_text("cafe\u0301")[0] == "caf\u00e9"
    True

    Args:
        value: str of any length; the empty one is a text too.

    Raises UsageError for anything else, and for a text that a data set cannot hold.
    """
    if not isinstance(value, str):
        hint = '; decode it first, such as value.decode("utf-8")' if isinstance(value, bytes) else ""
        raise UsageError(f"text: {described(value)}; give a str{hint}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"text: half of a surrogate pair at character {error.start:,}, which is not Unicode; decode its bytes with "
            'errors="replace"'
        ) from None
    if "\0" in value:
        raise UsageError("text: holds NUL characters; it may be UTF-16 that was decoded as something else")
    return nfc(value), lambda text: text
