"""`avbuild make`: write a prepared data set, shard by shard, and `build.json` last."""

import re
from collections.abc import Mapping, Sequence

from avbuild.dataset.build_record import FILE_NAME as BUILD
from avbuild.dataset.build_record import BuildRecord, read_build
from avbuild.dataset.card import write_card
from avbuild.dataset.scenario_record import ScenarioRecord, SplitRecord, scenario_content
from avbuild.dataset.shards import SHARD_NAME, ShardRecord, shard_name
from avbuild.dataset.splits import SPLITS, Split
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avbuild.pipeline.engines import Engine, JobShare, run
from avbuild.pipeline.jobs import CleanJob, write_clean
from avbuild.pipeline.partners import PairedSample, shard_order
from avbuild.pipeline.prepare import Prepared
from avbuild.pipeline.provenance import build_record, left_out_of, recipe_of, sources_of
from avbuild.progress import progress_bar
from avbuild.scenarios.default_manifest import default_manifest
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.manifest_file import FILE_NAME as MANIFEST
from avbuild.scenarios.manifest_file import dump_manifest, load_manifest
from avbuild.scenarios.seeding import digest


def write(prepared: Prepared, folder: Folder, engine: Engine, share: JobShare | None = None) -> BuildRecord | None:
    """Write a prepared data set; shards that an earlier run finished are kept.

    Args:
        prepared: as `prepare` returns it.
        folder: of the data set.
        engine: that runs the jobs.
        share: write only this share of the shards and nothing else; a later run without it completes the data set.

    Returns the record, or None for a share.

    Raises UserError where the folder holds a finished data set of another recipe.
    """
    recipe, sources = recipe_of(prepared), sources_of(prepared)
    left_out = left_out_of(prepared)
    job = digest(recipe, [(s.name, s.sha256) for s in sources], [(bad.path, bad.what) for bad in left_out])
    existing = _existing_record(folder, job, recipe)
    scenarios = existing.scenarios if existing else {}
    before = {shard.file: shard for made in _splits(scenarios.get(CLEAN)) for shard in made.shards}
    folder.remove_abandoned()
    manifest = _manifest(prepared, folder)
    clean_hash = manifest.scenario_hash(CLEAN)
    jobs = [
        CleanJob(
            folder=folder.url,
            name=name,
            samples=tuple(samples),
            classes=prepared.material.classes,
            job=digest(job, name),
            scenario_hash=clean_hash,
            before=before.get(name),
        )
        for name, samples in _shards(prepared.samples, prepared.builder.rows_per_shard)
    ]
    records = _run(share.of(jobs) if share else jobs, engine)
    if share:
        return None
    present = [split for split in SPLITS if any(sample.split == split for sample in prepared.samples)]
    splits = {split: _split_record(records, split) for split in present}
    content = scenario_content(splits.values())
    clean = ScenarioRecord(seed=manifest.seed, hash=clean_hash, content=content, splits=splits)
    for name in folder.names():
        # only what a build wrote: a file of another name is somebody's
        if (
            name.startswith(f"{CLEAN}/") and re.fullmatch(SHARD_NAME, name) and name not in records
        ):  # left by an unfinished build with other options
            folder.remove(name)
    build = build_record(prepared, recipe, sources, job, {**scenarios, CLEAN: clean})
    if existing:
        build = build.model_copy(update={"date_published": existing.date_published})
    folder.write(MANIFEST, dump_manifest(manifest).encode())
    write_card(folder, build, manifest)
    build.write(folder)  # last: its presence marks the data set as complete
    folder.remove_abandoned()
    return build


def _existing_record(folder: Folder, job: str, recipe: Mapping[str, object]) -> BuildRecord | None:
    """Return the record of a finished data set with the same job, or None where there is none.

    Raises UserError where the folder holds another data set.
    """
    if not folder.exists(BUILD):
        return None
    existing = read_build(folder)
    if existing.job == job:
        return existing
    differs = [
        f"{key}: {existing.recipe.get(key)} there, {value} asked for"
        for key, value in recipe.items()
        if existing.recipe.get(key) != value
    ]
    reason = "; ".join(differs) or "its source files have changed"
    raise UserError(f"{folder}: holds another build ({reason}). Remove the folder, or choose another one with --out")


def _splits(record: ScenarioRecord | None) -> list[SplitRecord]:
    return list(record.splits.values()) if record else []


def _manifest(prepared: Prepared, folder: Folder) -> Manifest:
    """Return the data set's own manifest, which the user may have extended, or else the default."""
    severity, seed, modalities = prepared.builder.severity, prepared.options.seed, prepared.material.modalities
    default = default_manifest(prepared.name, dataset=".", seed=seed, severity=severity, modalities=modalities)
    if not folder.exists(MANIFEST):
        return default
    own = load_manifest(folder.path(MANIFEST)).model_copy(update={"dataset": "."})
    if folder.exists(BUILD) or (own.name, own.seed) == (default.name, default.seed):
        return own
    return default  # of an unfinished build with another seed


def _shards(samples: Sequence[PairedSample], rows: int) -> list[tuple[str, list[PairedSample]]]:
    """Return name and samples of each clean shard."""
    shards = []
    for split in SPLITS:
        members = shard_order([sample for sample in samples if sample.split == split])
        count = -(-len(members) // rows)
        for index in range(count):
            shard = members[index * rows : (index + 1) * rows]
            shards.append((shard_name(CLEAN, split, index, count), shard))
    return shards


def _run(jobs: Sequence[CleanJob], engine: Engine) -> dict[str, ShardRecord]:
    records = {}
    with progress_bar("writing", sum(len(job.samples) for job in jobs)) as advance:
        for job, record in run(write_clean, jobs, engine):
            records[job.name] = record
            advance(record.rows)
    return records


def _split_record(records: Mapping[str, ShardRecord], split: Split) -> SplitRecord:
    shards = tuple(records[name] for name in sorted(records) if name.startswith(f"{CLEAN}/{split}-"))
    return SplitRecord(rows=sum(shard.rows for shard in shards), shards=shards)
