"""Saving of a training: the weights of its best epoch, the log of its epochs, and the state to continue from."""

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from avtrain.device import Machine
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.runs.frozen_weights import link_frozen_weights
from avtrain.training.checkpoint import FROZEN, TrainingState, frozen_parameters


class EpochSaver:
    """Writes epochs at once, or every few seconds, all that belongs together at the same time.

    A training that is stopped continues after the last epoch that was written, and ends with the same weights.

    Args:
        run: whose files are written.
        machine: how often, and whether frozen weights are stored once for many runs.
        state: of the training, before its next epoch.
    """

    def __init__(self, run: Run, machine: Machine, state: TrainingState) -> None:
        self._run, self._every = run, machine.save_every
        self._apart: frozenset[str] = frozenset()
        if machine.frozen_weights is not None and (frozen := frozen_parameters(state.method)):
            if run.writes:
                link_frozen_weights(machine.frozen_weights, state.fingerprints[FROZEN], frozen, run.folder)
            self._apart = frozenset(frozen)
        self._weights: dict[str, Tensor] | None = None
        self._lines: list[Mapping[str, Any]] = []
        self._saved = time.monotonic()

    def best(self, method: Method) -> None:
        """Keep the weights of the best epoch so far."""
        weights = {name: value for name, value in method.state_dict().items() if name not in self._apart}
        if self._every:
            self._weights = {name: value.detach().clone() for name, value in weights.items()}
        else:
            self._run.save_weights(weights)

    def epoch(self, line: Mapping[str, Any], state: TrainingState, *, last: bool) -> None:
        """Write what is due after an epoch.

        Args:
            line: of the log.
            state: of the training.
            last: whether no epoch follows.
        """
        self._lines.append(line)
        if not last and time.monotonic() - self._saved < self._every:
            return
        if self._weights is not None:
            self._run.save_weights(self._weights)
            self._weights = None
        self._run.log(*self._lines)
        self._lines = []
        self._run.save_state(state.as_dict())
        self._saved = time.monotonic()
