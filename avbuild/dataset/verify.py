"""`avbuild verify`: recompute every hash, and check card, manifest, splits and groups against `build.json`."""

import hashlib
import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from avbuild import __version__
from avbuild.dataset.build_record import BuildRecord, library_versions, read_build, scenario_content
from avbuild.dataset.card import card_files, same_facts
from avbuild.dataset.shards import (
    ShardRecord,
    StoredSample,
    cells_of,
    content_hash,
    missing_of,
    read_samples,
    with_media,
)
from avbuild.dataset.splits import SPLITS, Split, SplitKey, shared_groups
from avbuild.dataset.storage import Folder
from avbuild.progress import progress_bar
from avbuild.scenarios.manifest import CLEAN
from avbuild.scenarios.manifest_file import FILE_NAME as MANIFEST
from avbuild.scenarios.manifest_file import load_manifest


def verify(folder: Folder) -> tuple[BuildRecord, list[str], list[str]]:
    """The record, what is wrong, and what is only worth knowing.  Raises UserError where there is no data set."""
    build = read_build(folder)
    problems = [*_files(folder, build), *_manifest(folder, build)]
    notes = _version_notes(build)
    for about_card, only_words in _card(folder, build):
        (notes if only_words else problems).append(about_card)
    rows: list[SplitKey] = []
    shards = [
        (name, split, shard)
        for name, record in build.scenarios.items()
        for split, made in record.splits.items()
        for shard in made.shards
    ]
    with progress_bar("verifying", len(shards)) as advance:
        for scenario, split, shard in shards:
            samples, found = _shard(folder, build, scenario, shard)
            problems += found
            if scenario == CLEAN:
                rows += [SplitKey(s["id"], build.classes[s["label"]], s["group"], s["fold"], split) for s in samples]
            advance()
    problems += _splits(rows, build)
    problems += [
        f"scenario {name}: its content hash is not that of its shards"
        for name, record in build.scenarios.items()
        if record.content != scenario_content(record.splits.values())
    ]
    return build, problems, notes


def _files(folder: Folder, build: BuildRecord) -> Iterator[str]:
    listed = {
        shard.file for record in build.scenarios.values() for made in record.splits.values() for shard in made.shards
    }
    for name in folder.names():
        if name.endswith(".parquet") and name not in listed:
            yield f"{folder.path(name)}: not in build.json; run the stopped avbuild command again, or remove it"


def _shard(
    folder: Folder, build: BuildRecord, scenario: str, shard: ShardRecord
) -> tuple[list[StoredSample], list[str]]:
    """The rows without their media, and what is wrong with the shard."""
    path = folder.path(shard.file)
    try:
        data = folder.read(shard.file)
    except FileNotFoundError:
        return [], [f"{path}: missing"]
    if hashlib.sha256(data).hexdigest() != shard.sha256:
        size = f", {len(data):,} bytes instead of {shard.bytes:,}" if len(data) != shard.bytes else ""
        return [], [
            f"{path}: its bytes are not those that were written (sha256 differs{size}); {_again(build, scenario)}"
        ]
    try:
        samples = list(read_samples(data))
        marked = (pq.read_schema(io.BytesIO(data)).metadata or {}).get(b"avbuild.scenario", b"").decode()
    except (pa.ArrowException, OSError) as error:
        return [], [f"{path}: unreadable ({error}); {_again(build, scenario)}"]
    problems = []
    if len(samples) != shard.rows or content_hash(samples) != shard.content:
        problems.append(f"{path}: its rows are not those that were written (content hash differs)")
    if marked != build.scenarios[scenario].hash:
        problems.append(f"{path}: was written for another scenario spec than build.json names")
    for sample in samples:
        problems += [f"{path}: {sample['id']}: {what}" for what in _row(sample, len(build.classes))]
    return [with_media(sample, {}, (), sample["corruption"]) for sample in samples], problems


def _row(sample: StoredSample, classes: int) -> Iterator[str]:
    if not 0 <= sample["label"] < classes:
        yield f"label {sample['label']} is outside 0 to {classes - 1}"
    cells = cells_of(sample)
    for name, missing in missing_of(sample).items():
        there = bool(cells.get(name))  # a video without frames is not there
        filled = isinstance(json.loads(sample["corruption"]).get(name), dict)  # zeros, mean or noise in its place
        if there == (missing and not filled):
            yield f"{name}_missing is {missing}, but {name} is {'there' if there else 'null'}"


def _again(build: BuildRecord, scenario: str) -> str:
    command = f"avbuild make {build.builder}" if scenario == CLEAN else f"avbuild corrupt --scenario {scenario}"
    return f"remove it and run {command} again"


def _manifest(folder: Folder, build: BuildRecord) -> Iterator[str]:
    manifest = load_manifest(folder.path(MANIFEST))
    for name, record in build.scenarios.items():
        if name not in manifest.scenarios:
            yield f"{folder.path(MANIFEST)}: scenario {name} is on disk but not in the manifest"
        elif manifest.scenario_hash(name) != record.hash:
            yield (
                f"{folder.path(MANIFEST)}: scenario {name} on disk was made with another spec, seed or op version; "
                f"run avbuild corrupt --scenario {name} again"
            )


def _card(folder: Folder, build: BuildRecord) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with the card, and whether only the wording of another version differs."""
    manifest = load_manifest(folder.path(MANIFEST))
    if not all(name in manifest.scenarios for name in build.scenarios):
        return
    for name, text in card_files(build, manifest).items():
        if not folder.exists(name):
            yield f"{folder.path(name)}: missing; avbuild card {folder} writes it", False
            continue
        there = folder.read(name).decode(errors="replace")
        if there == text:
            continue
        if build.versions["avbuild"] != __version__ and same_facts(name, there, text):
            yield f"{folder.path(name)}: worded by another version; avbuild card {folder} writes it anew", True
        else:
            yield f"{folder.path(name)}: does not say what build.json says; avbuild card {folder} writes it anew", False


def _splits(rows: list[SplitKey], build: BuildRecord) -> Iterator[str]:
    seen: dict[str, Split] = {}
    for row in rows:
        if row.id in seen:
            yield f"id {row.id} stands twice, in {seen[row.id]} and {row.split}"
        seen[row.id] = row.split or "train"
    if not build.leaky:
        for group, splits in shared_groups(rows).items():
            yield f"{build.group_name} {group} leaks: it stands in {' and '.join(splits)}"
    for split in SPLITS:
        groups = {row.group for row in rows if row.split == split}
        if rows and len(groups) != build.groups.get(split, 0):
            yield f"{split}: {len(groups)} {build.group_name}s, but build.json says {build.groups.get(split, 0)}"


def _version_notes(build: BuildRecord) -> list[str]:
    here = library_versions(videos="av" in build.versions)
    differing = [
        f"{name} {there} (here {here.get(name, 'not installed')})"
        for name, there in build.versions.items()
        if here.get(name) != there
    ]
    return (
        [f"built with other versions: {', '.join(differing)}; rebuilding here may give other bytes"]
        if differing
        else []
    )
