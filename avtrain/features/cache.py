"""The feature cache: tokens of a frozen backbone are computed once and kept.

There is one folder for each combination of weights, data, scenario, draw, front end, reading and precision, written by
files.py.  Its name is a digest of everything that decides the tokens, so a folder never becomes stale, and methods and
seeds that share a backbone share it.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avbuild.dataset.storage import remove_abandoned, writing
from avbuild.plugins.registry import source_of
from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.seeding import digest
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.data.batch_source import DEFAULT_LOADER, BatchSource, LoaderOptions
from avtrain.data.dataset import MultimodalData
from avtrain.data.fingerprints import digest_rows, digest_weights
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, gather_rows, is_rank0, rowwise
from avtrain.features.files import Features, find_damage, open_features, write_features
from avtrain.methods.base import Method

ENCODING_BATCH = 32  # samples encoded together when the cache is built


@dataclass(frozen=True)
class CachedData:
    """A `BatchSource` whose batches hold tokens instead of inputs, with the samples, scenarios and order of `data`.

    Attributes:
        data: the samples.
        features: (scenario, draw) -> tokens of every sample.
    """

    data: MultimodalData
    features: dict[tuple[str, int], Features]

    def __len__(self) -> int:
        return len(self.data)

    def at(self, epoch: int) -> "CachedData":
        """Return the same data in another epoch."""
        return replace(self, data=self.data.at(epoch))

    def under(self, scenario: str) -> "CachedData":
        """Return the same data with every sample under one scenario."""
        return replace(self, data=self.data.under(scenario))

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Yield all samples once, in batches; arguments as for `BatchSource.batches`, of which `loader` is not used."""
        order = self.data.order(shuffle_seed)
        for start in range(0, len(order), batch_size):
            yield self.batch_of(order[start : start + batch_size])

    def batch_of(self, rows: list[int]) -> Batch:
        """Return some rows as a batch, in the order of their indices."""
        samples = [self.data.rows.samples[row] for row in rows]
        names = [self.data.scenario_of(sample) for sample in samples]
        places = {name: [place for place, own in enumerate(names) if own == name] for name in dict.fromkeys(names)}
        back = np.argsort(np.concatenate(list(places.values())))
        taken = [(self.features[name, _draw(self.data, name)], [rows[p] for p in own]) for name, own in places.items()]
        return Batch(
            inputs={},
            present={
                m: torch.from_numpy(np.concatenate([source.present[m][own] for source, own in taken])[back])
                for m in taken[0][0].present
            },
            labels=torch.tensor([sample.label for sample in samples]),
            scenario=torch.tensor([self.data.scenario_index(name) for name in names]),
            ids=tuple(sample.id for sample in samples),
            tokens={
                m: torch.from_numpy(np.concatenate([source.tokens[m][own] for source, own in taken])[back]).float()
                for m in taken[0][0].tokens
            },
        )


@dataclass(frozen=True)
class FeatureCache:
    """A folder of cached tokens, and the backbone that computes those that are not cached yet.

    Attributes:
        folder: of the cache; may hold the tokens of other backbones and data too.
        backbone: frozen.
        reading: which of its tokens are cached.
        machine: where they are computed.
        precision: `fp32` or `bf16`.
    """

    folder: Path
    backbone: Backbone
    reading: Reading
    machine: Machine
    precision: str

    def source(self, data: MultimodalData) -> CachedData:
        """Return the data with tokens in place of inputs, computing those that are not cached yet.

        Args:
            data: its scenarios are cached in all draws that training sees (`data.draws`), or, in epoch 0, as they are
                evaluated.
        """
        epochs = range(1, max(1, data.draws) + 1) if data.epoch else [0]
        wanted = dict.fromkeys((name, _draw(data.at(epoch), name)) for name in data.scenarios for epoch in epochs)
        weights, rows = digest_weights(self.backbone.state_dict()), digest_rows(data.rows)
        folders = {key: self.folder / self._key(data, *key, weights, rows) for key in wanted}
        absent = broadcast_from_rank0(lambda: [key for key, folder in folders.items() if not self._is_sound(folder)])
        if absent:
            with progress_bar("features", len(absent) * len(data)) as advance:
                for name, draw in absent:
                    self._compute(folders[name, draw], replace(data.under(name), epoch=draw, draws=0), advance)
            broadcast_from_rank0(lambda: None)  # all ranks wait until rank 0 has written
        if user := self.machine.cache_user:
            for folder in folders.values():
                user.note(folder.name)
        return CachedData(
            data, {key: open_features(folder, self.backbone.modalities) for key, folder in folders.items()}
        )

    def _is_sound(self, folder: Path) -> bool:
        """Return whether tokens are there and whole; a damaged folder is removed, with a notice."""
        remove_abandoned(self.folder)
        if not folder.exists():
            return False
        if damage := find_damage(folder, self.backbone.modalities):
            print(f"{folder}: damaged ({damage}); its features are computed again", file=sys.stderr)
            with writing(folder):
                shutil.rmtree(folder)
        return not damage

    def _key(self, data: MultimodalData, scenario: str, draw: int, weights: str, rows: str) -> str:
        clean = data.manifest.scenarios[scenario].clean
        corruption = "clean" if clean or scenario == data.rows.scenario else data.manifest.scenario_hash(scenario)
        plugin = source_of(self.backbone.plugin_group, type(self.backbone))
        code = [] if plugin is None else [plugin.digest]
        facts = (weights, rows, corruption, draw, repr(data.frontend), repr(self.reading), self.precision)
        return digest(*facts, *code)[:32]

    @torch.no_grad()
    def _compute(self, folder: Path, data: MultimodalData, advance: Advance) -> None:
        """Encode the data, each rank its share of the rows; rank 0 writes."""
        batches = self._encoded(data, advance)
        if is_rank0():
            about = {
                "data": data.manifest.dataset,
                "scenario": data.scenarios[0],
                "draw": data.epoch,
                "samples": len(data),
                "backbone": type(self.backbone).__name__,
            }
            write_features(folder, len(data), self.backbone.modalities, batches, about)
        else:
            for _ in batches:
                pass

    def _encoded(self, data: MultimodalData, advance: Advance) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
        """Yield batches in order, with their tokens."""
        self.backbone.eval()
        encode = rowwise(self.backbone.encode_frozen)
        for loaded in data.batches(ENCODING_BATCH, loader=self.machine.loader_options):
            batch = gather_rows(loaded.to(self.machine.device))
            with self.machine.autocast(self.precision):
                tokens = encode(batch, self.reading)
            yield batch, tokens
            advance(len(batch))


def cached_source(method: Method, data: MultimodalData, machine: Machine, precision: str) -> BatchSource:
    """Return the data with cached tokens, where the method reads a frozen backbone and the tokens are used again.

    Args:
        method: its `reading` says which tokens it reads; None: it trains the backbone.
        data: in epoch 0 for evaluation, from 1 for training.
        machine: its `cache` is the folder; None: nothing is cached.
        precision: `fp32` or `bf16`.

    Returns:
        `CachedData`, or `data` itself.
    """
    if machine.cache is None or method.reading is None or _draws_never_repeat(data):
        return data
    return FeatureCache(machine.cache, method.backbone, method.reading, machine, precision).source(data)


def _draws_never_repeat(data: MultimodalData) -> bool:
    """Return whether every epoch draws new corruptions or crops, so that cached tokens would never be read."""
    corrupted = any(not data.manifest.scenarios[name].clean for name in data.scenarios)
    return data.epoch > 0 and (data.augment is not None or (data.draws == 0 and corrupted))


def _draw(data: MultimodalData, scenario: str) -> int:
    """Return the number of the draw that a scenario has in this epoch; clean data are the same in all draws."""
    return 0 if data.manifest.scenarios[scenario].clean else data.draw
