"""Uploads to the Hugging Face Hub: the name of a repository, and one error for whatever can go wrong."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from avbuild.errors import UsageError, UserError

REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*"


def check_repository(repository: str, example: str) -> None:
    """Raise UsageError for a name that is none on the Hub.

    Args:
        repository: as the user wrote it.
        example: of a name, for the error.
    """
    if not re.fullmatch(REPOSITORY, repository):
        raise UsageError(f"{repository}: is no name on the Hub; write OWNER/NAME, such as {example}")


@contextmanager
def uploading(repository: str) -> Iterator[None]:
    """Turn every error of an upload into a UserError.  repository: for the error."""
    try:
        yield
    except Exception as error:  # the kinds of errors change with the Hub's library and the one it uses for HTTP
        raise _not_sent(repository, error) from error


def _not_sent(repository: str, error: Exception) -> UserError:
    """Return the error for an upload that failed: without a network, or by the Hub's answer."""
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    again = "then run the same command again: it uploads what is missing"
    if getattr(error, "response", None) is not None:
        return UserError(f"{repository}: the Hub refused ({reason}). Log in with hf auth login, {again}")
    reached = f"{repository}: the Hub could not be reached or refused ({reason})"
    return UserError(f"{reached}. Check the network and hf auth whoami, {again}")
