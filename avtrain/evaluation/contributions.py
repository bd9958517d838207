"""How much each modality contributes: accuracy with some of the modalities kept, and the Shapley values of that.

Shapley: A value for n-person games, 1953.  BalanceBenchmark gives such contributions too.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avtrain.data.batch import Batch
from avtrain.data.batch_source import DEFAULT_LOADER, BatchSource, LoaderOptions
from avtrain.device import Machine
from avtrain.evaluation.predict import Outputs, predict
from avtrain.methods.base import Method

Coalition = frozenset[str]


def coalitions(modalities: Sequence[str]) -> list[Coalition]:
    """Every set of modalities but the empty one, small ones first."""
    sizes = range(1, len(modalities) + 1)
    return [frozenset(kept) for kept in chain.from_iterable(combinations(modalities, size) for size in sizes)]


def shapley(worth: Mapping[Coalition, float]) -> dict[str, float]:
    """Each player's mean marginal worth over all orders in which they may join; they sum to the worth of all.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S and i) - v(S)).
    worth: v of every coalition but the empty one, whose worth is 0.
    """
    players = sorted(Coalition().union(*worth))
    n = len(players)
    values = {}
    for player in players:
        others = [Coalition(), *coalitions([other for other in players if other != player])]
        values[player] = sum(
            (worth[s | {player}] - worth.get(s, 0.0))
            * (math.factorial(len(s)) * math.factorial(n - len(s) - 1) / math.factorial(n))
            for s in others
        )
    return values


def label(coalition: Coalition) -> str:
    """`audio+image`."""
    return "+".join(sorted(coalition))


@dataclass(frozen=True)
class ModalitySubset:
    """A `Source` in which only some modalities are left; a sample that has none of them is left out."""

    data: BatchSource
    kept: Coalition

    def __len__(self) -> int:
        return len(self.data)

    def at(self, epoch: int) -> "ModalitySubset":
        """The same data in another epoch."""
        return replace(self, data=self.data.at(epoch))

    def under(self, scenario: str) -> "ModalitySubset":
        """The same data, all under one scenario."""
        return replace(self, data=self.data.under(scenario))

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Batches in order, or shuffled; smaller where samples are left out."""
        for batch in self.data.batches(batch_size, shuffle_seed, loader):
            left = torch.stack([there for m, there in batch.present.items() if m in self.kept]).any(dim=0)
            if left.any():
                yield self._hidden(batch, left.nonzero()[:, 0])

    def _hidden(self, batch: Batch, rows: Tensor) -> Batch:
        def hide(values: dict[str, Tensor]) -> dict[str, Tensor]:
            chosen = {m: x[rows] for m, x in values.items()}
            return {m: x if m in self.kept else torch.zeros_like(x) for m, x in chosen.items()}

        return Batch(
            inputs=hide(batch.inputs),
            present=hide(batch.present),
            labels=batch.labels[rows],
            scenario=batch.scenario[rows],
            ids=tuple(batch.ids[row] for row in rows.tolist()),
            tokens=hide(batch.tokens),
        )


def modality_contributions(
    method: Method, data: BatchSource, everything: Outputs, batch_size: int, machine: Machine, precision: str
) -> dict[str, Any]:
    """Accuracy with each set of modalities kept, and each modality's Shapley value, for a score's JSON file.

    everything: the outputs with all modalities kept, which need no second pass.  A sample that has none of those kept
    counts as wrong, so that every accuracy is over the same samples and nothing kept is worth 0.
    """
    worth = {}
    for kept in coalitions(list(everything.present)):
        if len(kept) == len(everything.present):
            outputs = everything
        elif any(everything.present[m].any() for m in kept):
            outputs = predict(method, ModalitySubset(data, kept), batch_size, machine, precision)
        else:
            worth[kept] = 0.0  # no sample has any of them
            continue
        worth[kept] = float(np.sum(outputs.logits.argmax(axis=1) == outputs.labels)) / len(data)
    return {"coalitions": {label(kept): value for kept, value in worth.items()}, "shapley": shapley(worth)}
