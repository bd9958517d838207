"""`avtrain.Dataset`: decoded samples of a split under one scenario, for a user's own PyTorch model."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from avbuild.dataset.splits import SPLITS, Split
from avbuild.errors import UsageError, nearest
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.places import expanded
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.manifest_file import FILE_NAME, load_manifest
from avbuild.scenarios.plan import condition, plan_sample
from avtrain.data.collate import Item, collate_items
from avtrain.data.dataset import as_tensor
from avtrain.data.row_cache import RowCache
from avtrain.data.samples import Media, Sample
from avtrain.data.shards import read_rows

Transform = Callable[[Item], Item] | Mapping[str, Callable[[Any], Any]]


class Dataset(TorchDataset[Item]):
    """The samples of a split under one scenario, decoded, with the corruptions of the manifest made on the fly.

    They equal what `avbuild corrupt` writes.  An item is a dictionary:

    - `audio`: float32 [samples], 16 kHz, full scale 1.0; `image`: uint8 [height, width, 3]; `video`: uint8 [frames,
      height, width, 3]; `text`: str: one key for each modality of the data set; tensors and str, or what `transform`
      made of them; None where the modality is missing
    - `audio_missing` and the like: bool, as the columns of these names; true also where a scenario fills a missing
      modality with zeros, the mean or noise
    - `id`, `group`: text; `label`: class index; `fold`: whole number
    - `corruption`: what was done to it, as the column of that name holds it; {} for clean data

    >>> import avtrain, torch
    >>> data = avtrain.Dataset("manifests/demo.yaml", split="test", scenario="A")
    >>> item = data[0]
    >>> item["audio"].dtype, tuple(item["image"].shape), item["audio_missing"]
    (torch.float32, (32, 32, 3), False)
    >>> loader = torch.utils.data.DataLoader(data, batch_size=8, collate_fn=data.collate)
    >>> tuple(next(iter(loader))["image"].shape)
    (8, 32, 32, 3)

    Attributes:
        manifest: as it was read.
        split: train, validation or test, as the manifest splits the data.
        scenario: name of the scenario.
        classes: names, in the order of the class indices.
        modalities: of the data set, in order.
        epoch: number of the random draw; 0: as written to disk and evaluated.
    """

    def __init__(
        self,
        source: str | Path | Manifest,
        split: str = "train",
        scenario: str | None = None,
        transform: Transform | None = None,
        cache: str | Path | None = None,
    ) -> None:
        """Open a split.

        Args:
            source: a manifest, or the folder of a data set, whose own manifest is used; a path or any fsspec URL.
            split: train, validation or test.
            scenario: of the manifest; None: its first, which is clean data by habit.
            transform: a function from item to item; or functions by modality, such as {"image": resize}, which are not
                called for a missing modality.
            cache: folder for a copy of the rows, from which they are read by index; None: a temporary one.

        Raises:
            UsageError: there is no such split or scenario, or the scenario acts on what a front end makes of signals.
            UserError: the data set is absent, incomplete or damaged.
        """
        self.manifest = read_manifest(source)
        self.split = _check_split(split)
        self.rows = read_rows(self.manifest, self.split, RowCache(None if cache is None else Path(cache) / "rows"))
        self.classes, self.modalities = self.rows.classes, self.rows.modalities
        self.transform = _check_transform(transform, self.modalities)
        self.scenario = next(iter(self.manifest.scenarios)) if scenario is None else scenario
        _check_scenario(self.manifest, self.scenario)
        self._epoch = _shared_number()  # seen by workers that are running already
        self._blanks: dict[str, Tensor | str] = {}  # by modality, what stands for a missing signal in a batch

    def __len__(self) -> int:
        return len(self.rows.samples)

    def __getitem__(self, index: int) -> Item:
        sample = self.rows.samples[index]
        return self._transformed(self._item(sample, self.scenario))

    @property
    def epoch(self) -> int:
        """Number of the random draw of the corruptions."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draw of the corruptions, also in workers of a DataLoader that are running.

        Args:
            epoch: 0: as written to disk and evaluated; every number from 1 has a draw of its own.

        Raises:
            UsageError: it is not a whole number from 0.
        """
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
            raise UsageError(f"epoch: {epoch!r}; give a whole number from 0")
        self._epoch.fill_(epoch)

    def under(self, scenario: str, manifest: Manifest | None = None) -> "Dataset":
        """Return the same samples under another scenario, without reading them again.

        Args:
            scenario: name.
            manifest: that defines it; None: this one's.
        """
        other = copy.copy(self)
        other.manifest, other.scenario = manifest or self.manifest, scenario
        other._epoch = _shared_number(self.epoch)
        _check_scenario(other.manifest, scenario)
        return other

    def collate(self, items: Sequence[Item]) -> Item:
        """Join items to a batch, for the `collate_fn` of a DataLoader.

        Args:
            items: B of them.

        Returns:
            By key: a modality as a tensor [B, ...], where a sample without it is a row of zeros, and one-dimensional
            signals are filled up with zeros at their end; texts as a list of B str, empty where missing;
            `audio_present` and the like, bool [B]; `audio_length`, int64 [B], of one-dimensional signals; numbers and
            flags as tensors [B]; everything else as a list.

        Raises:
            UsageError: signals differ in shape, so that a transform must bring them to one.
        """
        return collate_items(items, self.modalities, self._blank)

    def _blank(self, modality: str) -> Tensor | str:
        """Return zeros of the shape that a sample's signal has, or an empty text, which stand for a missing one."""
        if modality not in self._blanks:
            having = (sample for sample in self.rows.samples if modality in sample.media)
            sample = next(having, None)
            nothing = "" if MODALITIES[modality].plain else torch.zeros(1)
            shown = nothing if sample is None else self._transformed(self._item(sample, None))[modality]
            self._blanks[modality] = "" if isinstance(shown, str) else torch.zeros_like(torch.as_tensor(shown))
        return self._blanks[modality]

    def _item(self, sample: Sample, scenario: str | None) -> Item:
        """Return a sample under a scenario; None: as it is in the data set."""
        signals: dict[str, Signal | None] = {m: _decode(m, data) for m, data in sample.media.items()}
        record: dict[str, Any] = {}
        missing = set(self.modalities) - set(signals)
        if scenario is not None and not self.manifest.scenarios[scenario].clean:
            plan = plan_sample(condition(self.manifest, scenario), sample.id, signals, self.epoch)
            signals, record = corrupt(plan, {m: signal for m, signal in signals.items() if signal is not None})
            missing |= plan.missing
        tensors = {m: None if (signal := signals.get(m)) is None else as_tensor(signal) for m in self.modalities}
        flags = {f"{m}_missing": m in missing for m in self.modalities}
        plain = {"label": sample.label, "group": sample.group, "fold": sample.fold}
        return {"id": sample.id, **tensors, **plain, **flags, "corruption": record}

    def _transformed(self, item: Item) -> Item:
        if self.transform is None:
            return item
        if isinstance(self.transform, Mapping):
            changed = {m: change(item[m]) for m, change in self.transform.items() if item[m] is not None}
            return item | changed
        return self.transform(item)


def _shared_number(value: int = 0) -> Tensor:
    """Return a whole number in memory that workers of a DataLoader share with this process."""
    number: Tensor = torch.tensor(value).share_memory_()  # type: ignore[no-untyped-call]  # torch has no type for it
    return number


def _decode(modality: str, data: Media) -> Signal:
    return MODALITIES[modality].decode(data if isinstance(data, tuple) else (data,))


def read_manifest(source: object) -> Manifest:
    """Return a manifest that is given as an object, as a file, or as the folder of a data set with one."""
    if isinstance(source, Manifest):
        return source
    if not isinstance(source, (str, Path)):
        raise UsageError(f"{source!r} is no manifest; give the path of a manifest, or of a data set's folder")
    path = expanded(source)
    is_file = path.lower().endswith((".yaml", ".yml"))
    return load_manifest(path if is_file else f"{path.rstrip('/')}/{FILE_NAME}")


def _check_split(split: object) -> Split:
    for known in SPLITS:
        if split == known:
            return known
    raise UsageError(f'no split "{split}"{nearest(str(split), SPLITS)}; allowed: {", ".join(SPLITS)}')


def _check_scenario(manifest: Manifest, name: object) -> None:
    """Raise UsageError for a scenario that the manifest lacks, or that cannot act on signals."""
    if name not in manifest.scenarios:
        known = ", ".join(manifest.scenarios)
        raise UsageError(
            f'no scenario "{name}" in manifest {manifest.name}{nearest(str(name), manifest.scenarios)}; it has {known}'
        )
    ops = [op for op in manifest.scenarios[str(name)].ops if op.corruption.domain != "signal"]
    if ops:
        raise UsageError(
            f"scenario {name} of manifest {manifest.name}: {ops[0].name} acts on what a front end of avtrain makes of "
            f"{ops[0].modality}, not on the signal; only the methods of avtrain can be tested under it"
        )


def _check_transform(transform: Transform | None, modalities: Sequence[str]) -> Transform | None:
    if isinstance(transform, Mapping):
        if unknown := [str(key) for key in transform if key not in modalities]:
            hint = nearest(unknown[0], modalities)
            raise UsageError(f"transform: no modality {unknown[0]}{hint}; this data set has {', '.join(modalities)}")
        wrong = [key for key, change in transform.items() if not callable(change)]
        if wrong:
            raise UsageError(f"transform: {wrong[0]} is not a function")
    elif transform is not None and not callable(transform):
        raise UsageError(f"transform: {transform!r}; give a function of an item, or functions by modality")
    return transform
