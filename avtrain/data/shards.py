"""The rows of a data set, read through the manifest."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import fsspec

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.dataset.splits import SPLITS, Split, SplitKey, resplit, shared_groups
from avbuild.errors import UsageError, UserError
from avbuild.places import expanded
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.seeding import digest
from avbuild.scenarios.spec import ALL_MISSING
from avtrain.data.row_cache import RowCache
from avtrain.data.samples import Rows
from avtrain.data.shard_files import ShardFile, shard_files

TEMPORARY = RowCache()


def at_place(manifest: Manifest, place: str | None) -> Manifest:
    """Return a manifest whose data set is at another place.

    Args:
        manifest: of the data set.
        place: path or fsspec URL, as the user wrote it; None: the manifest is returned as it is.
    """
    if place is None:
        return manifest
    written = expanded(place)
    resolved = written if "://" in written else str(Path(written).resolve())
    return manifest.model_copy(update={"dataset": resolved})


def read_rows(manifest: Manifest, split: Split, cache: RowCache = TEMPORARY) -> Rows:
    """Read the clean rows of a split.

    With the default protocol only the files of that split are opened; another protocol reads all and splits them anew.

    Args:
        manifest: names the data set and the split protocol.
        split: `train`, `validation` or `test`.
        cache: gets a copy of the rows, from which they are read by index.

    Raises:
        UserError: the data set is absent, incomplete or damaged.
        UsageError: the manifest has a scenario for a modality that the data set lacks, or the split is empty.
    """
    if manifest.split.protocol == "default":
        rows = _read(manifest, CLEAN, shard_files(manifest, CLEAN, split), split, cache)
    else:
        shards = [shard for part in SPLITS for shard in shard_files(manifest, CLEAN, part)]
        everything = _read(manifest, CLEAN, shards, split, cache)
        keys = [SplitKey(s.id, everything.classes[s.label], s.group, s.fold) for s in everything.samples]
        homes = resplit(manifest.split, keys, manifest.seed)
        rows = everything.pick([index for index, home in enumerate(homes) if home == split])
    _check_modalities(manifest, rows.modalities)
    if not rows.samples:
        raise UsageError(_empty_message(manifest, split))
    return rows


def read_corrupted(manifest: Manifest, split: Split, scenario: str, cache: RowCache = TEMPORARY) -> Rows | None:
    """Read a scenario as `avbuild corrupt` wrote it; cache: as for `read_rows`.

    Args:
        manifest: names the data set and defines the scenario.
        split: `train`, `validation` or `test`.
        scenario: name.

    Returns:
        Its rows; None where it is not on disk, was written for another spec or seed, or the split is not the default.

    Raises:
        UserError: the scenario is incomplete or damaged.
    """
    if manifest.split.protocol != "default" or scenario == CLEAN:
        return None
    shards = shard_files(manifest, scenario, split)
    wanted = manifest.scenario_hash(scenario)
    if not shards or any(shard.header().scenario != wanted for shard in shards):
        return None
    return _read(manifest, scenario, shards, split, cache)


def content_of(manifest: Manifest, splits: Iterable[Split]) -> dict[str, str]:
    """Return a digest of the clean rows that each split is made of, to recognise when they have changed.

    It is made of the content hashes that `avbuild make` writes into each shard, so data made again bit for bit have the
    same; of a shard without one, the whole file is digested.  With a protocol other than the default, every split
    depends on all those on disk.

    Args:
        manifest: names the data set and the split protocol.
        splits: to digest.

    Returns:
        Split -> digest; a split that is not on disk is left out.
    """
    found: dict[str, str] = {}
    for split in splits if manifest.split.protocol == "default" else SPLITS:
        hashes = [shard.header().content or shard.digest() for shard in shard_files(manifest, CLEAN, split)]
        if hashes:
            found[split] = digest(*hashes)
    return found


def shared_recordings(manifest: Manifest) -> list[str]:
    """Return the groups that are in more than one split under the manifest's protocol; empty for an honest split."""
    keys = split_keys(manifest)
    homes = resplit(manifest.split, keys, manifest.seed)
    return list(shared_groups([replace(key, split=home) for key, home in zip(keys, homes, strict=True)]))


def split_keys(manifest: Manifest) -> list[SplitKey]:
    """Return what decides the split of every row of a data set, without reading media; manifest: names it."""
    keys: list[SplitKey] = []
    for split in SPLITS:
        for shard in shard_files(manifest, CLEAN, split):
            for batch in shard.batches(["id", "label", "group", "fold"]):
                keys += [
                    SplitKey(row["id"], str(row["label"]), row["group"], row["fold"], split)
                    for row in shard.checked(batch.to_pylist)
                ]
    return keys


def count_rows(manifest: Manifest, splits: Sequence[Split]) -> dict[Split, int]:
    """Return the number of rows of each split, without reading media.

    Args:
        manifest: names the data set and the split protocol.
        splits: to count.  With the default protocol the files of others are not opened.

    Raises:
        UserError: the data set is absent, incomplete or damaged.
        UsageError: a split is empty.
    """
    if manifest.split.protocol == "default":
        shards = {split: shard_files(manifest, CLEAN, split) for split in splits}
        if absent := [split for split, found in shards.items() if not found]:
            raise UserError(_absence_message(manifest, absent[0]))
        return {split: sum(shard.header().rows for shard in found) for split, found in shards.items()}
    if not (keys := split_keys(manifest)):
        raise UserError(_absence_message(manifest, splits[0]))
    homes = resplit(manifest.split, keys, manifest.seed)
    counts = {split: homes.count(split) for split in splits}
    if empty := [split for split, count in counts.items() if not count]:
        raise UsageError(_empty_message(manifest, empty[0]))
    return counts


def _empty_message(manifest: Manifest, split: Split) -> str:
    return f"{manifest.dataset}: its {split} split is empty under protocol {manifest.split.protocol}"


def _check_modalities(manifest: Manifest, available: tuple[str, ...]) -> None:
    absent = [
        f"scenarios.{name}.{modality}: this data set has {', '.join(available)}"
        for name, scenario in manifest.scenarios.items()
        for modality in scenario.plans
        if modality not in available
    ]
    absent += [
        f"scenarios.{name}.missing: protocol {scenario.missing.protocol}: this data set has {', '.join(available)}"
        for name, scenario in manifest.scenarios.items()
        if scenario.missing and PROTOCOLS[scenario.missing.protocol].only not in (None, *available)
    ]
    absent += [
        f"scenarios.{name}: {ALL_MISSING}"
        for name, scenario in manifest.scenarios.items()
        if scenario.leaves_nothing(available)
    ]
    if absent:
        raise UsageError(f"{manifest.name}: {len(absent)} problems\n" + "\n".join(f"  {line}" for line in absent))


def _read(manifest: Manifest, scenario: str, shards: list[ShardFile], split: Split, cache: RowCache) -> Rows:
    if not shards:
        raise UserError(_absence_message(manifest, split))
    headers = [shard.header() for shard in shards]
    return Rows(cache.open(shards, headers), headers[0].classes, headers[0].modalities, scenario)


def _absence_message(manifest: Manifest, split: Split) -> str:
    fs, path = fsspec.url_to_fs(manifest.dataset)
    name = manifest.dataset.rstrip("/").rsplit("/", 1)[-1]
    if not fs.exists(path):
        parent = manifest.dataset.rstrip("/").rsplit("/", 1)[0]
        return (
            f"{manifest.dataset}: no data set there. Make it:  avbuild make {name} --out {parent}/\n"
            "If it was moved or copied, name its place:  --data PATH"
        )
    return f"{manifest.dataset}: has no {split} split; avbuild inspect {manifest.dataset} shows what it has"
