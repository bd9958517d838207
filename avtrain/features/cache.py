"""Tokens of a frozen backbone, computed once and kept.

A folder a (weights, data, scenario, draw, front end, reduction), as feature_files.py has it.  What the key says is all
that decides the tokens, so a folder is never stale, and methods and seeds that share a backbone share it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.seeding import digest
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.data.batch_source import DEFAULT_LOADER, BatchSource, LoaderOptions
from avtrain.data.dataset import MultimodalData
from avtrain.data.fingerprints import digest_rows, digest_weights
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, gather_rows, is_rank0, rowwise
from avtrain.features.files import Features, is_complete, open_features, write_features
from avtrain.methods.base import Method


@dataclass(frozen=True)
class CachedData:
    """A `Source` whose batches bring tokens instead of inputs; the same samples, scenarios and order as `data`."""

    data: MultimodalData
    features: dict[tuple[str, int], Features]  # (scenario, draw) ->

    def __len__(self) -> int:
        return len(self.data)

    def at(self, epoch: int) -> "CachedData":
        """The same data in another epoch."""
        return replace(self, data=self.data.at(epoch))

    def under(self, scenario: str) -> "CachedData":
        """The same data, all under one scenario."""
        return replace(self, data=self.data.under(scenario))

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Batches in order, or shuffled."""
        order = self.data.order(shuffle_seed)
        for start in range(0, len(order), batch_size):
            yield self._batch(order[start : start + batch_size])

    def _batch(self, rows: list[int]) -> Batch:
        samples = [self.data.rows.samples[row] for row in rows]
        names = [self.data.scenario_of(sample) for sample in samples]
        sources = [self.features[name, _draw(self.data, name)] for name in names]
        return Batch(
            inputs={},
            present={
                m: torch.tensor([bool(source.present[m][row]) for source, row in zip(sources, rows, strict=True)])
                for m in sources[0].present
            },
            labels=torch.tensor([sample.label for sample in samples]),
            scenario=torch.tensor([self.data.scenario_index(name) for name in names]),
            ids=tuple(sample.id for sample in samples),
            tokens={
                m: torch.from_numpy(
                    np.stack([source.tokens[m][row] for source, row in zip(sources, rows, strict=True)])
                ).float()
                for m in sources[0].tokens
            },
        )


@dataclass(frozen=True)
class FeatureCache:
    """Where tokens are kept, and what makes those that are not there yet."""

    folder: Path
    backbone: Backbone
    reading: Reading
    machine: Machine
    precision: str

    def source(self, data: MultimodalData) -> CachedData:
        """The data with the tokens of all its scenarios, in all the draws that training sees (`data.draws`), or as
        they are evaluated (epoch 0).
        """
        epochs = range(1, max(1, data.draws) + 1) if data.epoch else [0]
        wanted = dict.fromkeys((name, _draw(data.at(epoch), name)) for name in data.scenarios for epoch in epochs)
        weights, rows = digest_weights(self.backbone.state_dict()), digest_rows(data.rows)
        folders = {key: self.folder / self._key(data, *key, weights, rows) for key in wanted}
        absent = broadcast_from_rank0(lambda: [key for key, folder in folders.items() if not is_complete(folder)])
        if absent:
            with progress_bar("features", len(absent) * len(data)) as advance:
                for name, draw in absent:
                    self._compute(folders[name, draw], replace(data.under(name), epoch=draw, draws=0), advance)
            broadcast_from_rank0(lambda: None)  # it writes; the others wait for it
        return CachedData(
            data, {key: open_features(folder, self.backbone.modalities) for key, folder in folders.items()}
        )

    def _key(self, data: MultimodalData, scenario: str, draw: int, weights: str, rows: str) -> str:
        clean = data.manifest.scenarios[scenario].clean
        corruption = "clean" if clean or scenario == data.rows.scenario else data.manifest.scenario_hash(scenario)
        return digest(weights, rows, corruption, draw, repr(data.frontend), repr(self.reading), self.precision)[:32]

    @torch.no_grad()
    def _compute(self, folder: Path, data: MultimodalData, advance: Advance) -> None:
        """Encode, each process its share; the first writes, into a folder of its own that takes its place whole."""
        batches = self._encoded(data, advance)
        if is_rank0():
            write_features(folder, len(data), self.backbone.modalities, batches)
        else:
            for _ in batches:
                pass

    def _encoded(self, data: MultimodalData, advance: Advance) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
        """Batches in order with their tokens."""
        self.backbone.eval()
        encode = rowwise(self.backbone.encode_frozen)
        for loaded in data.batches(32, loader=self.machine.loader_options):
            batch = gather_rows(loaded.to(self.machine.device))
            with self.machine.autocast(self.precision):
                tokens = encode(batch, self.reading)
            yield batch, tokens
            advance(len(batch))


def cached_source(method: Method, data: MultimodalData, machine: Machine, precision: str) -> BatchSource:
    """The data, with tokens from the cache where there is one and nothing trainable lies below them."""
    if machine.cache is None or method.reading is None or _never_repeats(data):
        return data
    return FeatureCache(machine.cache, method.backbone, method.reading, machine, precision).source(data)


def _never_repeats(data: MultimodalData) -> bool:
    """Whether every epoch of training draws its corruptions afresh: tokens would be kept in vain."""
    corrupted = any(not data.manifest.scenarios[name].clean for name in data.scenarios)
    return data.epoch > 0 and data.draws == 0 and corrupted


def _draw(data: MultimodalData, scenario: str) -> int:
    """Clean data is the same in every draw."""
    return 0 if data.manifest.scenarios[scenario].clean else data.draw
