"""The contribution of each modality: accuracy with subsets of the modalities, and its Shapley values.

Shapley: A value for n-person games, 1953.  BalanceBenchmark reports such contributions too.
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

Coalition = frozenset[str]  # of modalities


def coalitions(modalities: Sequence[str]) -> list[Coalition]:
    """Return every subset of the modalities except the empty one, small ones first."""
    sizes = range(1, len(modalities) + 1)
    return [frozenset(kept) for kept in chain.from_iterable(combinations(modalities, size) for size in sizes)]


def shapley(worth: Mapping[Coalition, float]) -> dict[str, float]:
    """Compute Shapley values: each player's mean marginal worth over all orders in which the players can join.

        phi_i = sum_{S without i} |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))

    The values sum to the worth of the coalition of all.

    Args:
        worth: v of every coalition except the empty one, whose worth is 0.

    Returns:
        Player -> value.
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
    """Return the name of a coalition in JSON files, such as `audio+image`."""
    return "+".join(sorted(coalition))


@dataclass(frozen=True)
class ModalitySubset:
    """A `BatchSource` with only some of the modalities; samples that have none of them are left out.

    Attributes:
        data: with all modalities.
        kept: modalities that stay.
    """

    data: BatchSource
    kept: Coalition

    def __len__(self) -> int:
        return len(self.data)

    def at(self, epoch: int) -> "ModalitySubset":
        """Return the same data in another epoch."""
        return replace(self, data=self.data.at(epoch))

    def under(self, scenario: str) -> "ModalitySubset":
        """Return the same data with every sample under one scenario."""
        return replace(self, data=self.data.under(scenario))

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Yield batches, smaller where samples are left out; arguments as for `BatchSource.batches`."""
        for batch in self.data.batches(batch_size, shuffle_seed, loader):
            remaining = torch.stack([mask for m, mask in batch.present.items() if m in self.kept]).any(dim=0)
            if remaining.any():
                yield self._subset(batch, remaining.nonzero()[:, 0])

    def _subset(self, batch: Batch, rows: Tensor) -> Batch:
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
            lengths=hide(batch.lengths),
            texts={m: [x[row] if m in self.kept else "" for row in rows.tolist()] for m, x in batch.texts.items()},
        )


def modality_contributions(
    method: Method, data: BatchSource, all_outputs: Outputs, batch_size: int, machine: Machine, precision: str
) -> dict[str, Any]:
    """Compute the accuracy with each subset of the modalities, and each modality's Shapley value.

    A sample that has none of the modalities kept counts as wrong, so every accuracy is over the same samples, and that
    of the empty subset is 0.

    Args:
        method: of the run.
        data: the split under one scenario.
        all_outputs: predictions with all modalities.
        batch_size: number of samples in a batch.
        machine: where it is computed.
        precision: `fp32` or `bf16`.

    Returns:
        `coalitions` and `shapley`, for the JSON file of a score.
    """
    worth = {}
    for kept in coalitions(list(all_outputs.present)):
        if len(kept) == len(all_outputs.present):
            outputs = all_outputs
        elif any(all_outputs.present[m].any() for m in kept):
            outputs = predict(method, ModalitySubset(data, kept), batch_size, machine, precision)
        else:
            worth[kept] = 0.0  # no sample has any of them
            continue
        worth[kept] = float(np.sum(outputs.logits.argmax(axis=1) == outputs.labels)) / len(data)
    return {"coalitions": {label(kept): value for kept, value in worth.items()}, "shapley": shapley(worth)}
