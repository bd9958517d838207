"""Progress on standard error, for people only: silent when piped."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)


class Advance(Protocol):
    """Call it with the number of things just done."""

    def __call__(self, count: int = 1) -> None: ...


def progress_bar(what: str, total: int) -> AbstractContextManager[Advance]:
    """A bar of `total` steps while the block runs."""
    return _bar(what, 0, total, MofNCompleteColumn())


def byte_bar(what: str, have: int, total: int | None) -> AbstractContextManager[Advance]:
    """A bar in bytes, `have` of which are there already."""
    return _bar(what, have, total, DownloadColumn())


@contextmanager
def _bar(what: str, have: int, total: int | None, count: ProgressColumn) -> Iterator[Advance]:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), count, TextColumn("·"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, completed=have)

        def advance(count: int = 1) -> None:
            bar.advance(task, count)

        yield advance
