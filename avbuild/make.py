"""`avbuild make`: read, check, pair, and write the clean data set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from avbuild.build_record import FILE_NAME as BUILD
from avbuild.build_record import (
    BuildRecord,
    LeftOut,
    Made,
    Match,
    ScenarioRecord,
    SourceRecord,
    library_versions,
    read_build,
    scenario_content,
)
from avbuild.builders import Builder, Material, Options
from avbuild.card import write_card
from avbuild.check import Checked, check
from avbuild.default_manifest import default_manifest
from avbuild.engines import run
from avbuild.errors import UserError
from avbuild.manifest import CLEAN, Manifest
from avbuild.manifest_file import FILE_NAME as MANIFEST
from avbuild.manifest_file import dump_manifest, load_manifest
from avbuild.pairing import Pair, shard_order
from avbuild.progress import progress_bar
from avbuild.samples import SPLITS, Clip, Picture, Problem, Split
from avbuild.seeding import digest
from avbuild.shard_jobs import CleanJob, write_clean
from avbuild.shards import PAIRS_PER_SHARD, ShardRecord, shard_name
from avbuild.splits import Row, shared_groups
from avbuild.storage import Folder

Media = TypeVar("Media", Clip, Picture)


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to be written."""

    builder: Builder
    options: Options
    material: Material
    pairs: Sequence[Pair]
    hashes: Mapping[tuple[str, str], str]  # (kind, id) -> sha256 of the file
    left_out: Sequence[Problem]


def prepare(builder: Builder, options: Options, workers: int, skip_bad: bool) -> Prepared:
    """Read the sources, check every file that will be used, and pair.  Raises UserError that names every bad file."""
    material = builder.read(options)
    problems = [*material.audio.problems, *material.pictures.problems]
    hashes: dict[tuple[str, str], str] = {}
    while True:
        pairs = _pair(builder, material, options, problems, skip_bad)
        checked = [] if builder.synthetic else check(_unchecked(pairs, hashes), workers)
        hashes |= {(found.kind, found.id): found.sha256 for found in checked}
        bad = [found for found in checked if found.problem]
        problems += [found.problem for found in bad if found.problem]
        if problems and not skip_bad:
            raise UserError(_report(problems))
        if not bad:
            return Prepared(builder, options, material, pairs, hashes, problems)
        # what is left out frees its partner, so pair again and check whatever newly came in
        material = material.without(_ids(bad, "audio"), _ids(bad, "image"))


def _pair(
    builder: Builder, material: Material, options: Options, problems: Sequence[Problem], skip_bad: bool
) -> list[Pair]:
    try:
        pairs = builder.pair(material, options)
    except UserError:
        if problems and not skip_bad:  # absent files are the cause more often than not
            raise UserError(_report(problems)) from None
        raise
    if not pairs and not problems:
        raise UserError("no pair can be made: the sources hold no usable clip with a usable picture")
    return pairs


def _unchecked(pairs: Sequence[Pair], hashes: Mapping[tuple[str, str], str]) -> list[Clip | Picture]:
    clips = {pair.clip.id: pair.clip for pair in pairs if ("audio", pair.clip.id) not in hashes}
    pictures = {pair.picture.id: pair.picture for pair in pairs if ("image", pair.picture.id) not in hashes}
    return [*clips.values(), *pictures.values()]


def _ids(bad: Sequence[Checked], kind: str) -> set[str]:
    return {found.id for found in bad if found.kind == kind}


def _report(problems: Sequence[Problem]) -> str:
    kinds = Counter(problem.what.split(":", 1)[0] for problem in problems)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    lines = "\n".join(f"  {problem}" for problem in sorted(problems, key=lambda problem: (problem.what, problem.path)))
    return (
        f"{len(problems):,} files cannot be used:\n{lines}\n"
        f"{len(problems):,} files cannot be used ({summary}); nothing was written. "
        f"Put them right, or leave them out with --skip-bad."
    )


def write(prepared: Prepared, folder: Folder, workers: int) -> BuildRecord:
    """Write what `prepare` got ready; shards that an earlier start finished are kept.

    Raises UserError where the folder holds a finished data set of another recipe.
    """
    recipe, sources = _recipe(prepared), _sources(prepared)
    job = digest(recipe, [source.sha256 for source in sources], [str(problem) for problem in prepared.left_out])
    corrupted = _corrupted_already(folder, job, recipe)
    folder.remove_abandoned()
    manifest = _manifest(prepared, folder)
    clean_hash = manifest.scenario_hash(CLEAN)
    jobs = [
        CleanJob(folder.url, name, tuple(pairs), prepared.material.classes, digest(job, name), clean_hash)
        for name, pairs in _shards(prepared.pairs)
    ]
    records = _run(jobs, workers, len(prepared.pairs))
    made = {split: _made(records, split) for split in SPLITS if any(pair.split == split for pair in prepared.pairs)}
    clean = ScenarioRecord(seed=manifest.seed, hash=clean_hash, content=scenario_content(made.values()), splits=made)
    for name in folder.names():
        if name.startswith(f"{CLEAN}/") and name not in records:  # of an unfinished build with other options
            folder.remove(name)
    build = _build_record(prepared, recipe, sources, job, {CLEAN: clean, **corrupted})
    folder.write(MANIFEST, dump_manifest(manifest).encode())
    write_card(folder, build, manifest)
    build.write(folder)  # last: its presence says that the data set is whole
    return build


def _corrupted_already(folder: Folder, job: str, recipe: Mapping[str, object]) -> dict[str, ScenarioRecord]:
    """The corrupted scenarios of a finished data set that is the same as this one; a different one is not touched."""
    if not folder.exists(BUILD):
        return {}
    existing = read_build(folder)
    if existing.job == job:
        return {name: record for name, record in existing.scenarios.items() if name != CLEAN}
    differs = [
        f"{key}: {existing.recipe.get(key)} there, {value} asked for"
        for key, value in recipe.items()
        if existing.recipe.get(key) != value
    ]
    reason = "; ".join(differs) or "its sources had other bytes"
    raise UserError(f"{folder}: holds another build ({reason}). Remove the folder, or choose another place with --out")


def _manifest(prepared: Prepared, folder: Folder) -> Manifest:
    """The data set's own manifest: as the user may have extended it, or the default."""
    if folder.exists(BUILD) and folder.exists(MANIFEST):
        return load_manifest(folder.path(MANIFEST)).model_copy(update={"dataset": "."})
    builder, seed = prepared.builder, prepared.options.seed
    return default_manifest(builder.name, dataset=".", seed=seed, severity=builder.severity)


def _shards(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    named = []
    for split in SPLITS:
        members = shard_order([pair for pair in pairs if pair.split == split])
        count = -(-len(members) // PAIRS_PER_SHARD)
        for index in range(count):
            part = members[index * PAIRS_PER_SHARD : (index + 1) * PAIRS_PER_SHARD]
            named.append((shard_name(CLEAN, split, index, count), part))
    return named


def _run(jobs: Sequence[CleanJob], workers: int, total: int) -> dict[str, ShardRecord]:
    records = {}
    with progress_bar("writing", total) as advance:
        for job, record in run(write_clean, jobs, workers):
            records[job.name] = record
            advance(record.rows)
    return records


def _made(records: Mapping[str, ShardRecord], split: Split) -> Made:
    shards = tuple(records[name] for name in sorted(records) if name.startswith(f"{CLEAN}/{split}-"))
    return Made(rows=sum(shard.rows for shard in shards), shards=shards)


def _recipe(prepared: Prepared) -> dict[str, str | int | bool | None]:
    options, mapping = prepared.options, prepared.material.match
    return {
        "builder": prepared.builder.name,
        "layout": options.layout,
        "split": options.split if not options.folds else "folds",
        "folds": ",".join(map(str, options.folds)) or None,
        "limit": options.limit,
        "seed": options.seed,
        "classes": digest({name: (match.partners, match.by_index) for name, match in mapping.items()})[:16],
    }


def _sources(prepared: Prepared) -> list[SourceRecord]:
    records = []
    for role, kind, corpus in (
        ("audio", "audio", prepared.material.audio),
        ("image", "image", prepared.material.pictures),
    ):
        used = sorted({pair.clip.id if kind == "audio" else pair.picture.id for pair in prepared.pairs})
        credit = corpus.credit
        records.append(
            SourceRecord(
                role=role,
                name=credit.name,
                licence=credit.licence,
                homepage=credit.homepage,
                citation=credit.citation,
                files=len(used),
                sha256=digest([(id, prepared.hashes.get((kind, id))) for id in used]),
            )
        )
    return records


def _build_record(
    prepared: Prepared,
    recipe: dict[str, str | int | bool | None],
    sources: Sequence[SourceRecord],
    job: str,
    scenarios: dict[str, ScenarioRecord],
) -> BuildRecord:
    pairs, classes = prepared.pairs, prepared.material.classes
    rows = [Row(pair.id, classes[pair.label], pair.clip.group, pair.clip.fold, pair.split) for pair in pairs]
    present = [split for split in SPLITS if any(row.split == split for row in rows)]
    counts = {split: Counter(row.label for row in rows if row.split == split) for split in present}
    options = prepared.options
    return BuildRecord(
        name=prepared.builder.name,
        title=prepared.builder.title,
        builder=prepared.builder.name,
        recipe=recipe,
        job=job,
        classes=classes,
        sources=tuple(sources),
        split=_describe_split(options),
        leaky=options.split == "random70" and not options.folds,
        groups={split: len({row.group for row in rows if row.split == split}) for split in present},
        per_class={split: {name: counts[split][name] for name in classes} for split in present},
        clips=len({pair.clip.id for pair in pairs}),
        pictures=len({pair.picture.id for pair in pairs}),
        pairing={
            name: Match(partners=match.partners, by_index=match.by_index)
            for name, match in prepared.material.match.items()
        },
        notes=(*prepared.material.audio.notes, *prepared.material.pictures.notes, *_notes(prepared, rows)),
        left_out=tuple(LeftOut(path=_relative(p.path, options), what=p.what) for p in prepared.left_out),
        versions=library_versions(),
        scenarios=scenarios,
    )


def _describe_split(options: Options) -> str:
    if options.folds:
        test, rest = options.folds[-1], ", ".join(map(str, options.folds[:-1]))
        return f"official folds: {test} tests, {rest} trains, validation carved from it by recording"
    if options.split == "random70":
        return "random70 (legacy, leaky): 70 / 30 by clip, blind to recordings"
    return "grouped by recording: 70 / 10 / 20"


def _notes(prepared: Prepared, rows: Sequence[Row]) -> list[str]:
    notes = []
    clips, used = prepared.material.audio.clips, {pair.clip.id for pair in prepared.pairs}
    if unused := len(clips) - len(used):
        why = "recordings that also stand in the test fold, over --limit" if prepared.options.folds else "not needed"
        notes.append(f"{unused:,} clips of {prepared.material.audio.credit.name} are not used ({why}).")
    if leaking := shared_groups(rows):
        notes.append(f"Leaky: {len(leaking):,} recordings stand in more than one split.")
    return notes


def _relative(path: str, options: Options) -> str:
    """Without the folders of the builder's machine."""
    image_root = options.images.partition(":")[2] if options.images else ""
    for root in (options.audio_root, Path(image_root) if image_root else None, options.sources):
        if root is not None and Path(path).is_relative_to(root):
            return Path(path).relative_to(root).as_posix()
    return path
