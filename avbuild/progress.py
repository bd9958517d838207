"""Progress bars on standard error, shown in a terminal only."""

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
    """Function that moves a progress bar by the number of steps just done."""

    def __call__(self, count: int = 1) -> None: ...


def progress_bar(title: str, total: int) -> AbstractContextManager[Advance]:
    """Show a progress bar while the block runs.

    Args:
        title: shown before the bar.
        total: number of steps.
    """
    return _bar(title, 0, total, MofNCompleteColumn())


def byte_bar(title: str, done: int, total: int | None) -> AbstractContextManager[Advance]:
    """Show a progress bar in bytes while the block runs.

    Args:
        title: shown before the bar.
        done: bytes that are there already.
        total: bytes; None: not known.
    """
    return _bar(title, done, total, DownloadColumn())


@contextmanager
def _bar(title: str, done: int, total: int | None, count: ProgressColumn) -> Iterator[Advance]:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), count, TextColumn("·"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, completed=done)

        def advance(count: int = 1) -> None:
            bar.advance(task, count)

        yield advance
