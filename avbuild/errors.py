"""Errors that a user can fix. Each message says where, what was found, what is allowed, and what to do."""

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """An error that a user can fix: the program prints its message and exits with `exit_code`, without a traceback."""

    exit_code = 1


class Stopped(BaseException):
    """Somebody ended the program by a signal; like KeyboardInterrupt, but not swallowed by the command line library."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class UsageError(UserError):
    """A mistake in a manifest or on the command line."""

    exit_code = 2


def cannot_write(path: object, error: OSError) -> UserError:
    """Return the error for a path that cannot be written: the disk is full, the folder is read-only, and the like.

    Args:
        path: file, folder or URL.
        error: raised by the attempt to write.
    """
    reason = error.strerror or error
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        reason = "there is a file where a folder is needed"
    return UserError(
        f"{path}: cannot be written: {reason}. Finished files are kept; fix this and run the same command again"
    )


def listed(items: Sequence[object], most: int = 20) -> str:
    """Return items one a line, indented.

    Args:
        items: to list.
        most: how many of them are listed; the others are only counted, so that a long list stays readable.
    """
    lines = [f"  {item}" for item in items[:most]]
    if len(items) > most:
        lines.append(f"  ... and {len(items) - most:,} more")
    return "\n".join(lines)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "..."?` with the most similar known word, or nothing where none is similar.

    Args:
        word: as the user wrote it.
        known: the words that are allowed.
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def raise_together(errors: Sequence[UserError]) -> None:
    """Raise one error for those of several runs, a usage error where all are; nothing where there are none."""
    if not errors:
        return
    if len(errors) == 1:
        raise errors[0]
    message = "\n".join(dict.fromkeys(map(str, errors)))
    raise UsageError(message) if all(isinstance(error, UsageError) for error in errors) else UserError(message)
