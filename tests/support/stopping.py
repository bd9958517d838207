"""Interrupt training as a kill does, and read the states that it saves."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avtrain.runs.folder import Run


class Stopped(BaseException):
    """An exception that the code under test never catches."""


@contextmanager
def stopped_in(epoch: int, *, saved: bool = True) -> Iterator[None]:
    """Stop the training inside the block at the end of an epoch, with or without saving the state of that epoch."""
    save = Run.save_state

    def stopping(self: Run, state: dict[str, Any]) -> None:
        if saved or state["epoch"] < epoch:
            save(self, state)
        if state["epoch"] == epoch:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save_state", stopping)
        with pytest.raises(Stopped):
            yield


@contextmanager
def stopped_at_call(number: int, owner: object, name: str) -> Iterator[None]:
    """Stop the code inside the block at the given call of a function, counted from 1."""
    function, calls = getattr(owner, name), itertools.count(1)

    def stopping(*arguments: object, **options: object) -> object:
        if next(calls) == number:
            raise Stopped
        return function(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stopping)
        with pytest.raises(Stopped):
            yield


@contextmanager
def last_states() -> Iterator[dict[Path, dict[str, Any]]]:
    """Collect the last state that each run inside the block saves, by folder; a finished run keeps none."""
    save, states = Run.save_state, dict[Path, dict[str, Any]]()

    def keeping(self: Run, state: dict[str, Any]) -> None:
        save(self, state)
        states[self.folder] = self.state() or {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save_state", keeping)
        yield states
