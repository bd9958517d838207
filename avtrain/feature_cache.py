"""Tokens of a frozen backbone, computed once and kept memory-mapped in fp16.

A folder a (weights, data, scenario, draw, front end, reduction): `audio.npy`, `image.npy` and so on [n, N, D],
`present.npy` [n, modalities], and `done.json`, written last. What the key says is all that decides the tokens, so a
folder is never stale, and methods and seeds that share a backbone share it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from torch import Tensor

from avbuild.errors import UserError, cannot_write
from avbuild.progress import Advance, progress_bar
from avbuild.seeding import digest
from avtrain.backbones import Backbone
from avtrain.backbones.base import Reading
from avtrain.batch import Batch
from avtrain.data import ALONE, AudioVisualData, Loading, Source
from avtrain.machine import Machine
from avtrain.methods import Method
from avtrain.rows import Rows
from avtrain.sharing import by_rows, completed, first_decides, is_first


@dataclass(frozen=True)
class Features:
    """Tokens of every sample under one scenario and draw, on disk."""

    tokens: dict[str, NDArray[np.float16]]  # [n, N, D] each
    present: dict[str, NDArray[np.bool_]]  # [n] each


@dataclass(frozen=True)
class CachedData:
    """A `Source` whose batches bring tokens instead of inputs; the same samples, scenarios and order as `data`."""

    data: AudioVisualData
    features: dict[tuple[str, int], Features]  # (scenario, draw) ->

    def __len__(self) -> int:
        return len(self.data)

    def at(self, epoch: int) -> "CachedData":
        """The same data in another epoch."""
        return replace(self, data=self.data.at(epoch))

    def under(self, scenario: str) -> "CachedData":
        """The same data, all under one scenario."""
        return replace(self, data=self.data.under(scenario))

    def batches(self, batch_size: int, shuffle_seed: int | None = None, loading: Loading = ALONE) -> Iterator[Batch]:
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
            scenario=torch.tensor([self.data.number_of(name) for name in names]),
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

    def source(self, data: AudioVisualData) -> CachedData:
        """The data with the tokens of all its scenarios, in all the draws that training sees (`data.draws`), or as
        they are evaluated (epoch 0).
        """
        epochs = range(1, max(1, data.draws) + 1) if data.epoch else [0]
        wanted = dict.fromkeys((name, _draw(data.at(epoch), name)) for name in data.scenarios for epoch in epochs)
        weights, rows = _digest_weights(self.backbone), _digest_rows(data.rows)
        folders = {key: self.folder / self._key(data, *key, weights, rows) for key in wanted}
        absent = first_decides(lambda: [key for key, folder in folders.items() if not _whole(folder)])
        if absent:
            with progress_bar("features", len(absent) * len(data)) as advance:
                for name, draw in absent:
                    self._compute(folders[name, draw], replace(data.under(name), epoch=draw, draws=0), advance)
            first_decides(lambda: None)  # it writes; the others wait for it
        return CachedData(data, {key: _open(folder, self.backbone.modalities) for key, folder in folders.items()})

    def _key(self, data: AudioVisualData, scenario: str, draw: int, weights: str, rows: str) -> str:
        clean = data.manifest.scenarios[scenario].clean
        corruption = "clean" if clean or scenario == data.rows.scenario else data.manifest.scenario_hash(scenario)
        return digest(weights, rows, corruption, draw, repr(data.frontend), repr(self.reading), self.precision)[:32]

    @torch.no_grad()
    def _compute(self, folder: Path, data: AudioVisualData, advance: Advance) -> None:
        """Encode, each process its share; the first writes, into a folder of its own that takes its place whole."""
        batches = self._encoded(data, advance)
        if is_first():
            self._write(folder, len(data), batches)
        else:
            for _ in batches:
                pass

    def _encoded(self, data: AudioVisualData, advance: Advance) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
        """Batches in order with their tokens."""
        self.backbone.eval()
        encode = by_rows(self.backbone.encode_frozen)
        for loaded in data.batches(32, loading=self.machine.loading):
            batch = completed(loaded.to(self.machine.device))
            with self.machine.autocast(self.precision):
                tokens = encode(batch, self.reading)
            yield batch, tokens
            advance(len(batch))

    def _write(self, folder: Path, n: int, batches: Iterator[tuple[Batch, dict[str, Tensor]]]) -> None:
        partial = folder.with_name(f".partial-{folder.name}-{os.getpid()}")
        present = []
        with _written_whole(partial, folder):
            for batch, tokens in batches:
                with _writing(folder):
                    for modality, values in tokens.items():
                        _append(partial / f"{modality}.npy", values.to("cpu", torch.float16).numpy(), n)
                present.append(np.stack([batch.present[m].cpu().numpy() for m in self.backbone.modalities], axis=1))
            with _writing(folder):
                np.save(partial / "present.npy", np.concatenate(present))
                for path in partial.iterdir():
                    _to_disk(path)
                (partial / "done.json").write_text(json.dumps({"n": n}))


def cached(method: Method, data: AudioVisualData, machine: Machine, precision: str) -> Source:
    """The data, with tokens from the cache where there is one and nothing trainable lies below them."""
    if machine.cache is None or method.reading is None or _never_repeats(data):
        return data
    return FeatureCache(machine.cache, method.backbone, method.reading, machine, precision).source(data)


def _never_repeats(data: AudioVisualData) -> bool:
    """Whether every epoch of training draws its corruptions afresh: tokens would be kept in vain."""
    corrupted = any(not data.manifest.scenarios[name].clean for name in data.scenarios)
    return data.epoch > 0 and data.draws == 0 and corrupted


def _draw(data: AudioVisualData, scenario: str) -> int:
    """Clean data is the same in every draw."""
    return 0 if data.manifest.scenarios[scenario].clean else data.draw


@contextmanager
def _written_whole(partial: Path, folder: Path) -> Iterator[None]:
    """What is written into `partial` becomes `folder`, unless another process was first or something went wrong."""
    with _writing(folder):
        partial.mkdir(parents=True, exist_ok=True)
    try:
        yield
        if not folder.exists():
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def _append(path: Path, rows: NDArray[np.float16], n: int) -> None:
    """Some of the n rows.  Not by a memory map: on a full disk that ends the process without a word."""
    with path.open("ab") as file:
        if file.tell() == 0:
            write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (n, *rows.shape[1:])})
        file.write(rows.tobytes())


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _whole(folder: Path) -> bool:
    return (folder / "done.json").exists()


def _open(folder: Path, modalities: tuple[str, ...]) -> Features:
    if not _whole(folder):
        raise UserError(
            f"{folder}: written by the first process, not seen by another; --cache must name a folder that "
            "all nodes share, or --no-cache do without"
        )
    present = np.load(folder / "present.npy")
    tokens = {m: np.load(folder / f"{m}.npy", mmap_mode="r") for m in modalities}
    return Features(tokens, {m: present[:, index] for index, m in enumerate(modalities)})


def _digest_weights(backbone: Backbone) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name, value in backbone.state_dict().items():
        found.update(name.encode())
        found.update(_bytes(value))
    return found.hexdigest()


def _bytes(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().numpy().tobytes()


def _digest_rows(rows: Rows) -> str:
    found = hashlib.blake2b(digest_size=16)
    for sample in rows.samples:
        found.update(sample.id.encode())
        for modality, data in sample.media.items():
            for part in data if isinstance(data, tuple) else (data,):
                found.update(modality.encode() + len(part).to_bytes(8, "big"))
                found.update(part)
    return found.hexdigest()
