"""Records of scenarios in `build.json`, and what cannot be true of them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from avbuild.corruptions.plugin_record import CorruptionRecord
from avbuild.dataset.shards import ShardRecord
from avbuild.dataset.splits import SPLITS, Split
from avbuild.frozen import Frozen
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import CLEAN
from avbuild.scenarios.seeding import digest


def without_empty(written: dict[str, Any], optional: Collection[str]) -> dict[str, Any]:
    """Return a record as it is written: fields that came later are left out where empty, so old bytes stay the same.

    Args:
        written: fields of the record.
        optional: names of those that are left out where empty.
    """
    return {name: value for name, value in written.items() if value or name not in optional}


class SplitRecord(Frozen):
    """The rows and shards of a scenario in one split."""

    rows: int
    shards: tuple[ShardRecord, ...]

    @property
    def missing(self) -> dict[str, int]:
        """Number of rows without a modality, by modality."""
        return {m: sum(shard.missing[m] for shard in self.shards) for m in self.shards[0].missing}


class ScenarioRecord(Frozen):
    """One scenario on disk."""

    seed: int
    hash: str  # of its spec, its seed and the versions of its ops
    content: str  # of all its rows
    splits: dict[Split, SplitRecord]
    plugins: tuple[CorruptionRecord, ...] = ()  # its corruptions that come from plug-ins

    @model_serializer(mode="wrap")
    def _without_empty(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_empty(serialise(self), ("plugins",))


def scenario_content(splits: Iterable[SplitRecord]) -> str:
    """Return one hash for all rows of a scenario.

    Args:
        splits: of the scenario, in the order of its record.
    """
    return digest([shard.content for split in splits for shard in split.shards])


def contradictions(
    scenarios: Mapping[str, ScenarioRecord],
    classes: Sequence[str],
    per_class: Mapping[Split, Mapping[str, int]],
    groups: Mapping[Split, int],
) -> Iterator[str]:
    """Yield what `build.json` says that cannot be true: counts that do not add up, names that lead elsewhere.

    Args:
        scenarios: name -> record.
        classes: names in the order of their index.
        per_class: split -> class -> number of rows.
        groups: split -> number of groups.
    """
    if CLEAN not in scenarios:
        yield f"scenarios: no clean scenario {CLEAN}"
        return
    if not classes or len(set(classes)) != len(classes):
        yield "classes: none, or one of them twice"
    clean = scenarios[CLEAN].splits
    for name, record in scenarios.items():
        yield from _scenario(clean, name, record)
    if per_class.keys() != clean.keys() or groups.keys() != clean.keys():
        yield "per_class, groups: not of the splits that there are"
        return
    for split, counts in per_class.items():
        if set(counts) != set(classes) or sum(counts.values()) != clean[split].rows:
            yield f"per_class.{split}: does not add up to the rows of the split"


def _scenario(clean: Mapping[Split, SplitRecord], name: str, record: ScenarioRecord) -> Iterator[str]:
    if not record.splits:
        yield f"scenarios.{name}: no split"
    for split in SPLITS:
        if split in record.splits:
            what = next(_split(clean, name, split, record.splits[split]), None)
            if what:
                yield f"scenarios.{name}.splits.{split}: {what}"
                return
    if record.content != scenario_content(record.splits.values()):
        yield f"scenarios.{name}: its content hash is not that of its shards"


def _split(clean: Mapping[Split, SplitRecord], name: str, split: Split, record: SplitRecord) -> Iterator[str]:
    shards = record.shards
    if not shards or record.rows != sum(shard.rows for shard in shards):
        yield "its rows are not those of its shards"
    if split not in clean or clean[split].rows != record.rows:
        yield f"not as many rows as in {CLEAN}"
    modalities = list(shards[0].missing) if shards else []
    if not modalities or not set(modalities) <= set(MODALITIES):
        yield f"modalities: {modalities}"
    for index, shard in enumerate(shards):
        expected = rf"{re.escape(name)}/{split}-{index:05d}-of-{len(shards):05d}\.parquet"
        if not re.fullmatch(expected, shard.file):
            yield f"{shard.file}: not the name of shard {index} of {len(shards)}"
        if shard.rows < 1 or list(shard.missing) != modalities:
            yield f"{shard.file}: no rows, or other modalities"
        if not all(0 <= count <= shard.rows for count in shard.missing.values()):
            yield f"{shard.file}: more missing than there are rows"
