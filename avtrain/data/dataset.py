"""From rows to batches: decode, corrupt on the fly what is not corrupted on disk, apply the front ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avbuild.modalities.audio import decode_audio
from avbuild.modalities.base import Signal
from avbuild.modalities.image import decode_image
from avbuild.modalities.video import decode_video
from avbuild.scenarios.apply import SamplePlan, condition, corrupt, corrupt_features, plan_sample
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.seeding import rng_for, uniform_for
from avtrain.data.batch import Batch
from avtrain.data.row_share import ALL_ROWS, RowShare
from avtrain.data.shards import Media, Rows, Sample
from avtrain.frontends.base import AnyFrontend


@dataclass(frozen=True)
class Loading:
    """How batches are brought; changes nothing but the speed.

    share: which rows of each batch are decoded here; the others stay without inputs, for `sharing.completed` to fetch.
    """

    workers: int = 0
    pin: bool = False
    share: RowShare = ALL_ROWS


ALONE = Loading()


class Source(Protocol):
    """What training, validation and evaluation draw batches from."""

    def __len__(self) -> int: ...

    def at(self, epoch: int) -> "Source":
        """The same data in another epoch."""

    def under(self, scenario: str) -> "Source":
        """The same data, all under one scenario."""

    def batches(self, batch_size: int, shuffle_seed: int | None = None, loading: Loading = ALONE) -> Iterator[Batch]:
        """Batches in order, or shuffled."""


@dataclass(frozen=True)
class Item:
    """One sample, decoded and corrupted."""

    id: str
    signals: dict[str, Tensor]  # as the front end prepares them; without those that are missing
    label: int
    scenario: int
    plan: SamplePlan | None  # where ops are still to act on features


@dataclass(frozen=True)
class MultimodalData(Dataset[Item]):
    """Samples of a split, each under one scenario.

    scenarios: those a sample may be under; with several, each sample draws one for each epoch.
    epoch: 0 is what is on disk and what is evaluated; training counts from 1 and draws afresh.
    draws: after so many draws of each corruption training sees them again; 0: each epoch has its own.
    """

    rows: Rows
    manifest: Manifest
    frontend: AnyFrontend
    scenarios: tuple[str, ...]
    epoch: int = 0
    draws: int = 0
    share: RowShare = ALL_ROWS

    def __len__(self) -> int:
        return len(self.rows.samples)

    def __getitems__(self, rows: Sequence[int]) -> list[Item]:
        """A batch, as a DataLoader asks for it: without the signals of rows that are another process's."""
        own = self.share.rows(len(rows))
        return [self[row] if place in own else self._undecoded(row) for place, row in enumerate(rows)]

    def __getitem__(self, index: int) -> Item:
        sample = self.rows.samples[index]
        scenario = self.scenario_of(sample)
        plan = None
        if scenario != self.rows.scenario and not self.manifest.scenarios[scenario].clean:
            plan = plan_sample(condition(self.manifest, scenario), sample.id, sample.media, self.draw)
        prepared = {m: self.frontend.prepare(m, torch.tensor(x)) for m, x in _signals(sample, plan).items()}
        on_features = plan if plan and any(plan.feature_ops(m) for m in prepared) else None
        return Item(sample.id, prepared, sample.label, self.number_of(scenario), on_features)

    def _undecoded(self, index: int) -> Item:
        sample = self.rows.samples[index]
        return Item(sample.id, {}, sample.label, self.number_of(self.scenario_of(sample)), None)

    @property
    def draw(self) -> int:
        """Which draw of the corruptions this epoch sees."""
        return self.epoch if self.epoch == 0 or self.draws == 0 else 1 + (self.epoch - 1) % self.draws

    def at(self, epoch: int) -> "MultimodalData":
        """The same data in another epoch."""
        return replace(self, epoch=epoch)

    def under(self, scenario: str) -> "MultimodalData":
        """The same data, all under one scenario."""
        return replace(self, scenarios=(scenario,))

    def order(self, shuffle_seed: int | None) -> list[int]:
        """Of the rows: as they stand, or drawn from (shuffle_seed, epoch): the same for every method."""
        if shuffle_seed is None:
            return list(range(len(self)))
        rng = rng_for(seed=shuffle_seed, scenario="", sample="order of rows", modality="", op=0, epoch=self.epoch)
        order: list[int] = rng.permutation(len(self)).tolist()
        return order

    def batches(self, batch_size: int, shuffle_seed: int | None = None, loading: Loading = ALONE) -> Iterator[Batch]:
        """Batches in order, or shuffled."""
        order = self.order(shuffle_seed)
        yield from DataLoader(
            replace(self, share=loading.share),
            batch_size,
            sampler=order,
            num_workers=loading.workers,
            collate_fn=self.collate,
            pin_memory=loading.pin,
            generator=torch.Generator(),  # else it would draw from torch's own, which the model uses
        )

    def scenario_of(self, sample: Sample) -> str:
        """The scenario a sample is under in this epoch."""
        if len(self.scenarios) == 1:
            return self.scenarios[0]
        u = uniform_for(seed=self.manifest.seed, purpose=f"scenario of epoch {self.epoch}", sample=sample.id)
        return self.scenarios[int(u * len(self.scenarios))]

    def number_of(self, scenario: str) -> int:
        """A scenario's place among the manifest's, as batches carry it."""
        return list(self.manifest.scenarios).index(scenario)

    def collate(self, items: Sequence[Item]) -> Batch:
        """Items to a batch; the row of an absent modality is zeros."""
        inputs, present = {}, {}
        for modality in self.rows.modalities:
            there = torch.tensor([modality in item.signals for item in items])
            present[modality] = there
            inputs[modality] = torch.zeros(len(items), *self.frontend.shapes[modality])
            if there.any():
                signals = torch.stack([item.signals[modality] for item in items if modality in item.signals])
                inputs[modality][there] = self.frontend.finish(modality, signals)
                for row, item in enumerate(items):
                    if item.plan and item.plan.feature_ops(modality) and there[row]:
                        inputs[modality][row] = _corrupt_features(item.plan, modality, inputs[modality][row])
        return Batch(
            inputs=inputs,
            present=present,
            labels=torch.tensor([item.label for item in items]),
            scenario=torch.tensor([item.scenario for item in items]),
            ids=tuple(item.id for item in items),
        )


def _signals(sample: Sample, plan: SamplePlan | None) -> dict[str, Signal]:
    """Decoded and, where there is a plan, corrupted; without what is missing."""
    if plan is None:
        return {m: _decode(m, data) for m, data in sample.media.items()}
    needed = {m: data for m, data in sample.media.items() if m not in plan.missing or plan.reads(m)}
    results, _ = corrupt(plan, {m: _decode(m, data) for m, data in needed.items()})
    return {m: signal for m, signal in results.items() if signal is not None}


def _corrupt_features(plan: SamplePlan, modality: str, features: Tensor) -> Tensor:
    """On what the front end made: [bins, frames] of a sound, which ops see turned; [3, S, S] of a picture or frame."""
    turned = features.T if modality == "audio" else features
    result = torch.from_numpy(corrupt_features(plan, modality, turned.numpy()).copy())
    return result.T if modality == "audio" else result


def _decode(modality: str, data: Media) -> Signal:
    """Sound float32 [samples], picture uint8 [H, W, 3], video uint8 [F, H, W, 3]."""
    if isinstance(data, tuple):
        return decode_video(data)
    return decode_audio(data) if modality == "audio" else decode_image(data)
