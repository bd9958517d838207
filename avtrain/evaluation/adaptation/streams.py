"""Streams of test samples: which sample under which condition comes when, seeded, and read in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avbuild.scenarios.seeding import rng_for
from avtrain.data.batch import Batch
from avtrain.data.batch_source import LoaderOptions
from avtrain.data.dataset import MultimodalData, PreparedSample
from avtrain.features.cache import CachedData

StreamKind = Literal["one", "continual", "mixed"]
STREAMS: tuple[StreamKind, ...] = ("one", "continual", "mixed")
Item = tuple[int, int]  # index of a condition, and of a row
StreamSource = MultimodalData | CachedData


@dataclass(frozen=True)
class Stream:
    """The order in which samples arrive.

    Attributes:
        name: on which random draws depend.
        items: condition and row of each sample.
        new: whether adaptation starts anew before the first sample.
    """

    name: str
    items: tuple[Item, ...]
    new: bool = True


def make_streams(kind: StreamKind, conditions: Sequence[str], rows: int, seed: int) -> list[Stream]:
    """Return the streams of a test.

    Args:
        kind: `one`: one condition after another, adaptation starts anew for each; `continual`: the same without
            starting anew; `mixed`: all conditions interleaved.
        conditions: names, in order.
        rows: number of samples under each condition.
        seed: of the manifest; decides every order.
    """
    if kind == "mixed":
        everything = [(condition, row) for condition in range(len(conditions)) for row in range(rows)]
        order = _permutation(seed, "mixed", len(everything))
        return [Stream("mixed", tuple(everything[place] for place in order))]
    return [
        Stream(name, tuple((index, row) for row in _permutation(seed, name, rows)), kind == "one" or index == 0)
        for index, name in enumerate(conditions)
    ]


def _permutation(seed: int, stream: str, n: int) -> list[int]:
    rng = rng_for(seed=seed, scenario=stream, sample="order of stream", modality="", op=0)
    order: list[int] = rng.permutation(n).tolist()
    return order


def read_items(
    sources: Sequence[StreamSource], items: Sequence[Item], batch_size: int, loader: LoaderOptions
) -> Iterator[Batch]:
    """Yield samples in a given order, in batches.

    Args:
        sources: one a condition, all of the same rows and with or without cached tokens alike.
        items: index of the source, and of the row in it.
        batch_size: samples in a batch; the last one may have fewer.
        loader: decides the speed only.
    """
    if any(isinstance(source, CachedData) for source in sources):
        cached = [source for source in sources if isinstance(source, CachedData)]
        for start in range(0, len(items), batch_size):
            yield _join_cached(cached, items[start : start + batch_size])
        return
    raw = [source for source in sources if isinstance(source, MultimodalData)]
    yield from DataLoader(
        _Interleaved(raw, items),
        batch_size,
        num_workers=loader.workers,
        collate_fn=raw[0].collate,
        pin_memory=loader.pin,
        generator=torch.Generator(),  # else it would draw from torch's default generator
    )


class _Interleaved(Dataset[PreparedSample]):
    """Samples of several conditions in one order."""

    def __init__(self, sources: Sequence[MultimodalData], items: Sequence[Item]) -> None:
        self.sources, self.items = sources, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> PreparedSample:
        condition, row = self.items[place]
        return self.sources[condition][row]


def _join_cached(sources: Sequence[CachedData], items: Sequence[Item]) -> Batch:
    """Return cached samples of several conditions as one batch, in the order of the items."""
    if len({condition for condition, _ in items}) == 1:
        return sources[items[0][0]].batch_of(np.array([row for _, row in items]))
    places: list[int] = []
    parts = []
    for condition in dict.fromkeys(condition for condition, _ in items):
        own = [place for place, (other, _) in enumerate(items) if other == condition]
        places += own
        parts.append(sources[condition].batch_of(np.array([items[place][1] for place in own])))
    order = torch.tensor(places).argsort()
    ids = [name for part in parts for name in part.ids]
    return replace(
        parts[0],
        present=_join([part.present for part in parts], order),
        tokens=_join([part.tokens for part in parts], order),
        labels=torch.cat([part.labels for part in parts])[order],
        scenario=torch.cat([part.scenario for part in parts])[order],
        ids=tuple(ids[place] for place in order.tolist()),
    )


def _join(parts: Sequence[Mapping[str, Tensor]], order: Tensor) -> dict[str, Tensor]:
    return {m: torch.cat([part[m] for part in parts])[order] for m in parts[0]}
