"""From rows to batches: decode, corrupt what is not corrupted on disk, apply the front end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.apply import corrupt, corrupt_features
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import SamplePlan, condition, plan_sample
from avbuild.scenarios.seeding import rng_for, uniform_for
from avtrain.data.augmentation import Augmentation
from avtrain.data.batch import Batch
from avtrain.data.batch_source import DEFAULT_LOADER, LoaderOptions
from avtrain.data.row_share import ALL_ROWS, RowShare
from avtrain.data.samples import Media, Rows, Sample
from avtrain.frontends.base import AnyFrontend, dtype_of, time_first
from avtrain.frontends.spectrogram_augmentation import SpectrogramAugmentation


@dataclass(frozen=True)
class PreparedSample:
    """One sample, decoded, corrupted and prepared by the front end.

    Attributes:
        id: of the sample.
        signals: by modality, as `AnyFrontend.prepare` returns them; without those that are missing.
        label: class index.
        scenario: index into the manifest's scenarios.
        plan: corruptions of which some act on features, after the front end; None where there are none.
    """

    id: str
    signals: dict[str, Tensor]
    label: int
    scenario: int
    plan: SamplePlan | None


@dataclass(frozen=True)
class MultimodalData(Dataset[PreparedSample]):
    """A split whose samples are each under one scenario; a `BatchSource`.

    Attributes:
        rows: the samples, encoded.
        manifest: defines the scenarios.
        frontend: of the backbone that reads the data.
        scenarios: names of those a sample may be under; with several, each sample draws one in each epoch.
        epoch: 0 for data as they are on disk and are evaluated; training counts from 1 and draws afresh.
        draws: number of different draws of each corruption, after which they repeat; 0: a new one in each epoch.
        share: rows of each batch that are decoded here.
        augment: of images and frames in training; None: none.
        augment_spectrogram: of the front end's audio in training; None: none.
    """

    rows: Rows
    manifest: Manifest
    frontend: AnyFrontend
    scenarios: tuple[str, ...]
    epoch: int = 0
    draws: int = 0
    share: RowShare = ALL_ROWS
    augment: Augmentation | None = None
    augment_spectrogram: SpectrogramAugmentation | None = None

    def __len__(self) -> int:
        return len(self.rows.samples)

    def __getitems__(self, rows: Sequence[int]) -> list[PreparedSample]:
        """Return a batch for the DataLoader, without the signals of rows that another rank loads."""
        local = self.share.rows(len(rows))
        return [self[row] if place in local else self._without_signals(row) for place, row in enumerate(rows)]

    def __getitem__(self, index: int) -> PreparedSample:
        sample = self.rows.samples[index]
        scenario = self.scenario_of(sample)
        plan = None
        if scenario != self.rows.scenario and not self.manifest.scenarios[scenario].clean:
            plan = plan_sample(condition(self.manifest, scenario), sample.id, sample.media, self.draw)
        prepared = {m: self._prepare(sample.id, m, as_tensor(x)) for m, x in _signals(sample, plan).items()}
        on_features = plan if plan and any(plan.feature_ops(m) for m in prepared) else None
        return PreparedSample(sample.id, prepared, sample.label, self.scenario_index(scenario), on_features)

    def _prepare(self, sample: str, modality: str, signal: Any) -> Tensor:
        if self.augment is not None and self.epoch > 0:
            size = self.frontend.shapes[modality][-1]
            signal = self.augment(modality, signal, size, sample, self.epoch)
        prepared = self.frontend.prepare(modality, signal)
        if self.augment_spectrogram is not None and self.epoch > 0 and modality == "audio":
            prepared = self.augment_spectrogram(prepared, sample, self.epoch)
        return prepared

    def _without_signals(self, index: int) -> PreparedSample:
        sample = self.rows.samples[index]
        return PreparedSample(sample.id, {}, sample.label, self.scenario_index(self.scenario_of(sample)), None)

    @property
    def draw(self) -> int:
        """Number of the draw of corruptions that this epoch sees; 0 in evaluation."""
        return self.epoch if self.epoch == 0 or self.draws == 0 else 1 + (self.epoch - 1) % self.draws

    def at(self, epoch: int) -> "MultimodalData":
        """Return the same data in another epoch."""
        return replace(self, epoch=epoch)

    def under(self, scenario: str) -> "MultimodalData":
        """Return the same data with every sample under one scenario."""
        return replace(self, scenarios=(scenario,))

    def order(self, shuffle_seed: int | None) -> list[int]:
        """Return the order of the rows in this epoch, the same for every method.

        Args:
            shuffle_seed: decides the order together with the epoch; None: the order of the data.
        """
        if shuffle_seed is None:
            return list(range(len(self)))
        rng = rng_for(seed=shuffle_seed, scenario="", sample="order of rows", modality="", op=0, epoch=self.epoch)
        order: list[int] = rng.permutation(len(self)).tolist()
        return order

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Yield all samples once, in batches; arguments as for `BatchSource.batches`."""
        order = self.order(shuffle_seed)
        yield from DataLoader(
            replace(self, share=loader.share),
            batch_size,
            sampler=order,
            num_workers=loader.workers,
            collate_fn=self.collate,
            pin_memory=loader.pin,
            generator=torch.Generator(),  # else it would draw from torch's default generator, which the model uses
        )

    def scenario_of(self, sample: Sample) -> str:
        """Return the name of the scenario that a sample is under in this epoch."""
        if len(self.scenarios) == 1:
            return self.scenarios[0]
        u = uniform_for(seed=self.manifest.seed, purpose=f"scenario of epoch {self.epoch}", sample=sample.id)
        return self.scenarios[int(u * len(self.scenarios))]

    def scenario_index(self, scenario: str) -> int:
        """Return a scenario's index among those of the manifest, as batches hold it."""
        return list(self.manifest.scenarios).index(scenario)

    def collate(self, samples: Sequence[PreparedSample]) -> Batch:
        """Join samples to a batch; the row of an absent modality is zeros."""
        inputs, present = {}, {}
        for modality in self.rows.modalities:
            mask = torch.tensor([modality in sample.signals for sample in samples])
            present[modality] = mask
            shape, dtype = self.frontend.shapes[modality], dtype_of(self.frontend, modality)
            inputs[modality] = torch.zeros(len(samples), *shape, dtype=dtype)
            if mask.any():
                signals = torch.stack([sample.signals[modality] for sample in samples if modality in sample.signals])
                inputs[modality][mask] = self.frontend.finish(modality, signals)
                for row, sample in enumerate(samples):
                    if sample.plan and sample.plan.feature_ops(modality) and mask[row]:
                        inputs[modality][row] = _corrupt_features(sample.plan, modality, inputs[modality][row])
        return Batch(
            inputs=inputs,
            present=present,
            labels=torch.tensor([sample.label for sample in samples]),
            scenario=torch.tensor([sample.scenario for sample in samples]),
            ids=tuple(sample.id for sample in samples),
        )


def _signals(sample: Sample, plan: SamplePlan | None) -> dict[str, Signal]:
    """Return a sample's decoded signals, corrupted where there is a plan, without modalities that are missing."""
    if plan is None:
        return {m: _decode(m, data) for m, data in sample.media.items()}
    needed = {m: data for m, data in sample.media.items() if m not in plan.missing or plan.reads(m)}
    results, _ = corrupt(plan, {m: _decode(m, data) for m, data in needed.items()})
    return {m: signal for m, signal in results.items() if signal is not None}


def _corrupt_features(plan: SamplePlan, modality: str, features: Tensor) -> Tensor:
    """Corrupt one sample's front-end output; spectrograms are [bins, frames] here, and [frames, bins] for the ops."""
    turned = time_first(modality, features)
    result = torch.from_numpy(corrupt_features(plan, modality, turned.numpy()).copy())
    return time_first(modality, result)


def as_tensor(signal: Signal) -> Any:
    """Return a decoded signal as a front end takes it: a tensor, or the str that a text is."""
    return signal if isinstance(signal, str) else torch.tensor(signal)


def _decode(modality: str, data: Media) -> Signal:
    return MODALITIES[modality].decode(data if isinstance(data, tuple) else (data,))
