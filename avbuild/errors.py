"""Errors that a user can put right. Each says what was found, what is allowed, where, and what to do."""

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """One clear message and a non-zero exit; never a traceback."""

    exit_code = 1


class UsageError(UserError):
    """A manifest or a command line that cannot be meant as written."""

    exit_code = 2


def cannot_write(path: object, error: OSError) -> UserError:
    """For a full disk, a folder that is read-only, and the like."""
    reason = error.strerror or error
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        reason = "a file stands where a folder is needed"
    return UserError(
        f"{path}: cannot be written: {reason}. What is finished stays; put it right and run the same command again"
    )


def listed(items: Sequence[object], most: int = 20) -> str:
    """Items one a line, indented; past `most` only their number, so that 7,000 missing files stay readable."""
    lines = [f"  {item}" for item in items[:most]]
    if len(items) > most:
        lines.append(f"  ... and {len(items) - most:,} more")
    return "\n".join(lines)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "..."?` where something known is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
