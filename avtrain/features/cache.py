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
from numpy.typing import NDArray
from torch import Tensor

from avbuild.dataset.storage import remove_abandoned, writing
from avbuild.plugins.registry import source_of
from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.manifest import CLEAN
from avbuild.scenarios.seeding import digest
from avbuild.scenarios.spec import Scenario
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.data.batch_source import DEFAULT_LOADER, BatchSource, LoaderOptions
from avtrain.data.dataset import MultimodalData
from avtrain.data.fingerprints import digest_rows, digest_weights
from avtrain.data.masks import Presence, only_drops, presence
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, gather_rows, is_rank0, rowwise
from avtrain.features.files import Features, find_damage, open_features, write_features
from avtrain.methods.base import Method

ENCODING_BATCH = 32  # samples encoded together when the cache is built


class PresenceTable:
    """The modalities that samples have under each scenario and draw, computed when they are asked for, once.

    Args:
        data: the samples and their manifest.
    """

    def __init__(self, data: MultimodalData) -> None:
        self._data = data
        self._found: dict[tuple[str, int], Presence] = {}

    def under(self, scenario: str, draw: int) -> Presence:
        """Return modality -> [n] for a scenario that only drops modalities.

        Args:
            scenario: name.
            draw: number of the draw.
        """
        key = (scenario, draw)
        if key not in self._found:
            self._found[key] = presence(self._data.rows, self._data.manifest, scenario, draw)
        return self._found[key]


@dataclass(frozen=True)
class CachedData:
    """A `BatchSource` whose batches hold tokens instead of inputs, with the samples, scenarios and order of `data`.

    A scenario that only drops modalities reads the tokens of the clean samples: a modality's tokens do not depend on
    which others are there.  Those of a dropped modality are zeros.

    Attributes:
        data: the samples.
        features: (scenario, draw) -> tokens of every sample; those of a scenario that only drops modalities are of the
            clean samples, draw 0.
        dropped: which modalities samples have under scenarios that only drop some.
        ids: of all samples, in the order of the data.
        labels: of all samples, int64 [n].
    """

    data: MultimodalData
    features: dict[tuple[str, int], Features]
    dropped: PresenceTable
    ids: tuple[str, ...]
    labels: Tensor

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
        order = np.array(self.data.order(shuffle_seed))
        for start in range(0, len(order), batch_size):
            yield self.batch_of(order[start : start + batch_size])

    def batch_of(self, rows: NDArray[np.int64]) -> Batch:
        """Return some rows as a batch, in the order of their indices."""
        names = self._scenarios_of(rows)
        present, tokens = self._empty(len(rows))
        for name in dict.fromkeys(names):
            places = np.array([place for place, other in enumerate(names) if other == name])
            there, source = self._presence(name, rows[places]), self._features(name)
            for m in present:
                present[m][places], tokens[m][places] = there[m], source.tokens[m][rows[places]]
                if _reads_clean(self.data, name):
                    tokens[m][places[~there[m]]] = 0.0
        return Batch(
            inputs={},
            present={m: torch.from_numpy(mask) for m, mask in present.items()},
            labels=self.labels[rows],
            scenario=torch.tensor([self.data.scenario_index(name) for name in names]),
            ids=tuple(self.ids[row] for row in rows),
            tokens={m: torch.from_numpy(values) for m, values in tokens.items()},
        )

    def _scenarios_of(self, rows: NDArray[np.int64]) -> list[str]:
        if len(self.data.scenarios) == 1:
            return [self.data.scenarios[0]] * len(rows)
        return [self.data.scenario_of(self.data.rows.samples[row]) for row in rows.tolist()]

    def _empty(self, count: int) -> tuple[Presence, dict[str, NDArray[np.float32]]]:
        any_features = next(iter(self.features.values()))
        present = {m: np.zeros(count, dtype=bool) for m in any_features.present}
        shapes = {m: values.shape[1:] for m, values in any_features.tokens.items()}
        return present, {m: np.empty((count, *shape), np.float32) for m, shape in shapes.items()}

    def _features(self, name: str) -> Features:
        return self.features[name, 0 if _reads_clean(self.data, name) else _draw(self.data, name)]

    def _presence(self, name: str, rows: NDArray[np.int64]) -> Presence:
        stored = {m: mask[rows] for m, mask in self._features(name).present.items()}
        if not _reads_clean(self.data, name):
            return stored
        left = self.dropped.under(name, _draw(self.data, name))
        return {m: mask & left[m][rows] for m, mask in stored.items()}


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
        wanted = dict.fromkeys(
            (name, 0 if _reads_clean(data, name) else _draw(data.at(epoch), name))
            for name in data.scenarios
            for epoch in epochs
        )
        weights, rows = digest_weights(self.backbone.state_dict()), digest_rows(data.rows)
        folders = {key: self.folder / self._key(data, *key, weights, rows) for key in wanted}
        keys = {folder: key for key, folder in folders.items()}  # scenarios that read clean tokens share a folder
        absent = broadcast_from_rank0(lambda: [key for folder, key in keys.items() if not self._is_sound(folder)])
        if absent:
            with progress_bar("features", len(absent) * len(data)) as advance:
                for name, draw in absent:
                    self._compute(folders[name, draw], _as_stored(data, name, draw), advance)
            broadcast_from_rank0(lambda: None)  # all ranks wait until rank 0 has written
        if user := self.machine.cache_user:
            for folder in keys:
                user.note(folder.name)
        opened = {folder: open_features(folder, self.backbone.modalities) for folder in keys}
        samples = list(data.rows.samples)
        return CachedData(
            data,
            {key: opened[folder] for key, folder in folders.items()},
            PresenceTable(data),
            tuple(sample.id for sample in samples),
            torch.tensor([sample.label for sample in samples]),
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
        clean = data.manifest.scenarios[scenario].clean or _reads_clean(data, scenario)
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
    specs = [data.manifest.scenarios[name] for name in data.scenarios]
    corrupted = any(not spec.clean and not only_drops(spec) for spec in specs)
    return data.epoch > 0 and (data.augment is not None or (data.draws == 0 and corrupted))


def _reads_clean(data: MultimodalData, scenario: str) -> bool:
    """Return whether a scenario reads the tokens of clean samples; not where it is read from disk, already without."""
    return scenario != data.rows.scenario and only_drops(data.manifest.scenarios[scenario])


def _as_stored(data: MultimodalData, scenario: str, draw: int) -> MultimodalData:
    """Return the data whose tokens are stored for a scenario and draw: clean where it only drops modalities."""
    if _reads_clean(data, scenario):
        clean = data.manifest.model_copy(update={"scenarios": {CLEAN: Scenario()}})
        return replace(data, manifest=clean, scenarios=(CLEAN,), epoch=0, draws=0)
    return replace(data.under(scenario), epoch=draw, draws=0)


def _draw(data: MultimodalData, scenario: str) -> int:
    """Return the number of the draw that a scenario has in this epoch; clean data are the same in all draws."""
    return 0 if data.manifest.scenarios[scenario].clean else data.draw
