"""`avbuild verify`: recompute every hash, and check card, manifest, splits and groups against `build.json`."""

import io
import json
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import has_magic

from avbuild import __version__
from avbuild.dataset.build_record import BuildRecord, library_versions, read_build
from avbuild.dataset.card import card_files, same_facts
from avbuild.dataset.damage import first_line
from avbuild.dataset.reading import remedy, shard_problem
from avbuild.dataset.rows import StoredSample, cells_of, content_hash, encoded_files, missing_of, with_media
from avbuild.dataset.scenario_record import scenario_content
from avbuild.dataset.shards import SHARD_NAME, ShardRecord, read_samples
from avbuild.dataset.splits import SPLITS, Split, SplitKey, shared_groups
from avbuild.dataset.stock_datasets import stock_problems
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avbuild.escaping import visible
from avbuild.modalities.registry import MODALITIES
from avbuild.progress import progress_bar
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.manifest_file import FILE_NAME as MANIFEST
from avbuild.scenarios.manifest_file import load_manifest


def verify(folder: Folder) -> tuple[BuildRecord, list[str], list[str]]:
    """Verify a data set.

    Args:
        folder: of the data set.

    Returns its record, the problems, and notes that are no problems.

    Raises UserError where there is no data set.
    """
    build, manifest = read_build(folder), load_manifest(folder.path(MANIFEST))
    problems = [*_files(folder, build), *_manifest(folder, build, manifest)]
    notes = _version_notes(build)
    for problem, only_wording in _card(folder, build, manifest):
        (notes if only_wording else problems).append(problem)
    if folder.local:
        (notes if has_magic(folder.url) else problems).extend(stock_problems(folder, build))
    rows: list[SplitKey] = []
    shards = [
        (name, split, shard)
        for name, record in build.scenarios.items()
        for split, split_record in record.splits.items()
        for shard in split_record.shards
    ]
    with progress_bar("verifying", len(shards)) as advance:
        for scenario, split, shard in shards:
            samples, found = _shard(folder, build, scenario, shard)
            problems += found
            if scenario == CLEAN:
                labels = [build.classes[s["label"]] if 0 <= s["label"] < len(build.classes) else "" for s in samples]
                rows += [
                    SplitKey(s["id"], label, s["group"], s["fold"], split)
                    for s, label in zip(samples, labels, strict=True)
                ]
            advance()
    problems += _splits(rows, build)
    problems += [
        f"scenario {name}: its content hash does not match its shards"
        for name, record in build.scenarios.items()
        if record.content != scenario_content(record.splits.values())
    ]
    return build, problems, notes


def _files(folder: Folder, build: BuildRecord) -> Iterator[str]:
    """Yield Parquet files that `build.json` does not list; `datasets` would read those that match its patterns."""
    splits = [split for record in build.scenarios.values() for split in record.splits.values()]
    listed = {shard.file for split in splits for shard in split.shards}
    for name in folder.names():
        if name.endswith(".parquet") and name not in listed:
            path = visible(folder.path(name))
            if re.fullmatch(SHARD_NAME, name):
                yield f"{path}: not in build.json; run the interrupted avbuild command again, or remove it"
            else:
                yield f"{path}: avbuild wrote no file of this name; move it out of the data set"


def _shard(
    folder: Folder, build: BuildRecord, scenario: str, shard: ShardRecord
) -> tuple[list[StoredSample], list[str]]:
    """Return the rows of a shard without their media, and its problems."""
    path, advice = folder.path(shard.file), remedy(build.builder, scenario)
    try:
        data = folder.read(shard.file)
    except FileNotFoundError:
        return [], [f"{path}: missing"]
    except UserError as error:
        return [], [str(error)]
    if problem := shard_problem(data, shard):
        return [], [f"{path}: {problem}; {advice}"]
    try:
        samples = list(read_samples(data))
        marked = (pq.read_schema(io.BytesIO(data)).metadata or {}).get(b"avbuild.scenario", b"").decode()
        rows = [what for sample in samples for what in _row(sample, len(build.classes))]
        content = content_hash(samples)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        return [], [f"{path}: unreadable ({visible(first_line(error))}); {advice}"]
    problems = []
    if len(samples) != shard.rows or content != shard.content:
        problems.append(f"{path}: its rows changed since they were written (content hash differs)")
    if marked != build.scenarios[scenario].hash:
        problems.append(f"{path}: was written for another scenario spec than build.json records")
    problems += [f"{path}: {what}" for what in rows]
    return [with_media(sample, {}, (), sample["corruption"]) for sample in samples], problems


def _row(sample: StoredSample, classes: int) -> Iterator[str]:
    """Yield problems of one row."""
    name_of_row = visible(sample["id"])
    if not 0 <= sample["label"] < classes:
        yield f"{name_of_row}: label {sample['label']} is outside 0 to {classes - 1}"
    cells = cells_of(sample)
    for name, missing in missing_of(sample).items():
        present = name in cells and cells[name] != []  # a video without frames counts as absent
        filled = isinstance(json.loads(sample["corruption"]).get(name), dict)  # replaced by zeros, mean or noise
        if present == (missing and not filled):
            state = "present" if present else "null"
            yield f"{name_of_row}: {name}_missing is {missing}, but {name} is {state}"
    for name, cell in cells.items():
        if problem := MODALITIES[name].stored_problem([file["bytes"] for file in encoded_files(cell)]):
            yield f"{name_of_row}: its {name} is {problem}"


def _manifest(folder: Folder, build: BuildRecord, manifest: Manifest) -> Iterator[str]:
    for name, record in build.scenarios.items():
        if name not in manifest.scenarios:
            yield f"{folder.path(MANIFEST)}: scenario {name} is on disk but not in the manifest"
        elif manifest.scenario_hash(name) != record.hash:
            changed = next((change for plugin in record.plugins if (change := plugin.change())), "")
            what = changed or "was made with another spec, seed or op version"
            advice = "load the plug-in as it was, or " if changed else ""
            on_disk = f"scenario {name} on disk"
            yield (
                f"{folder.path(MANIFEST)}: {on_disk}{':' if changed else ''} {what}; "
                f"{advice}run avbuild corrupt --scenario {name} again"
            )


def _card(folder: Folder, build: BuildRecord, manifest: Manifest) -> Iterator[tuple[str, bool]]:
    """Yield each problem of the card, and whether only its wording is that of another version."""
    if not all(name in manifest.scenarios for name in build.scenarios):
        return
    for name, text in card_files(build, manifest).items():
        try:
            on_disk = folder.read(name).decode(errors="replace")
        except FileNotFoundError:
            yield f"{folder.path(name)}: missing; avbuild card {folder} writes it", False
            continue
        except UserError as error:
            yield str(error), False
            continue
        if on_disk == text:
            continue
        if build.versions["avbuild"] != __version__ and same_facts(name, on_disk, text):
            yield f"{folder.path(name)}: worded by another version; avbuild card {folder} rewrites it", True
        else:
            yield f"{folder.path(name)}: does not agree with build.json; avbuild card {folder} rewrites it", False


def _splits(rows: list[SplitKey], build: BuildRecord) -> Iterator[str]:
    """Yield duplicate ids, groups in two splits, and group counts that differ from `build.json`."""
    seen: dict[str, Split] = {}
    for row in rows:
        if row.id in seen:
            yield f"id {visible(row.id)} appears twice, in {seen[row.id]} and {row.split}"
        seen[row.id] = row.split or "train"
    if not build.leaky:
        for group, splits in shared_groups(rows).items():
            yield f"{build.group_name} {visible(group)} leaks: it is in {' and '.join(splits)}"
    for split in SPLITS:
        groups = {row.group for row in rows if row.split == split}
        if rows and len(groups) != build.groups.get(split, 0):
            yield f"{split}: {len(groups)} {build.group_name}s, but build.json says {build.groups.get(split, 0)}"


def _version_notes(build: BuildRecord) -> list[str]:
    installed = library_versions(videos="av" in build.versions)
    differing = [
        f"{name} {recorded} (installed: {installed.get(name, 'none')})"
        for name, recorded in build.versions.items()
        if installed.get(name) != recorded
    ]
    return (
        [f"built with other versions: {', '.join(differing)}; rebuilding with the installed ones may give other bytes"]
        if differing
        else []
    )
