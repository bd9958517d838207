"""`avbuild corrupt`: write the shards of scenarios beside the clean shards."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.corruptions.plugin_record import record_corruptions
from avbuild.dataset.build_record import FILE_NAME as BUILD
from avbuild.dataset.build_record import BuildRecord, library_versions, read_build
from avbuild.dataset.card import CARD_FILES, write_card
from avbuild.dataset.scenario_record import ScenarioRecord, SplitRecord, scenario_content
from avbuild.dataset.shards import ShardRecord
from avbuild.dataset.splits import SPLITS, Split
from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError, nearest
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.engines import Engine, JobShare, run
from avbuild.pipeline.jobs import CorruptJob, write_corrupted
from avbuild.progress import progress_bar
from avbuild.scenarios.manifest import CLEAN, Manifest, clashing
from avbuild.scenarios.manifest_file import FILE_NAME as MANIFEST
from avbuild.scenarios.manifest_file import dump_manifest, load_manifest
from avbuild.scenarios.plan import at_severity, condition
from avbuild.scenarios.presets import PRESETS
from avbuild.scenarios.recorded_plugins import require_plugins
from avbuild.scenarios.seeding import digest
from avbuild.scenarios.spec import ALL_MISSING, Scenario


@dataclass(frozen=True, slots=True)
class CorruptRequest:
    """A request: the scenarios and splits to write, and what to override."""

    scenarios: tuple[str, ...]
    splits: tuple[Split, ...] = ("test",)
    severity: int | None = None
    seed: int | None = None
    manifest: str | None = None  # path of a manifest to use instead of the data set's own


def plan_corruptions(folder: Folder, request: CorruptRequest) -> tuple[BuildRecord, Manifest, list[str]]:
    """Check a request, and add the scenarios that it names to the manifest of a data set.

    An override makes a new scenario: D at severity 5 is `D-severity5`, and draws as D does.

    Args:
        folder: of the data set.
        request: scenarios, splits and overrides.

    Returns the record of the data set, its manifest with the requested scenarios added, and their names.

    Raises UsageError that lists everything that is wrong with the request.
    """
    build = read_build(folder)
    own = load_manifest(folder.path(MANIFEST))
    given = load_manifest(request.manifest) if request.manifest else own
    presets = {name: _preset(name, build.modalities) for name in request.scenarios if name in PRESETS}
    given = given.model_copy(update={"scenarios": {**presets, **given.scenarios}})
    _check(build, given, request, request.manifest or folder.path(MANIFEST))
    require_plugins(given.scenarios[name] for name in request.scenarios)
    scenarios, names = dict(own.scenarios), []
    for name in request.scenarios:
        scenario, variant = given.scenarios[name], name
        seed = given.scenario_seed(name) if request.seed is None else request.seed
        if request.severity is not None:
            scenario, variant = at_severity(scenario, name, request.severity), f"{variant}-severity{request.severity}"
        if request.seed is not None:
            variant = f"{variant}-seed{request.seed}"
            scenario = scenario.model_copy(update={"draws_as": scenario.draws_as or name})
        scenarios[variant] = scenario.model_copy(update={"seed": None if seed == own.seed else seed})
        names.append(variant)
    if problem := clashing(scenarios):
        raise UsageError(f"{build.name}: scenarios: {problem}")
    return build, own.model_copy(update={"dataset": ".", "scenarios": scenarios}), names


def _preset(name: str, modalities: Sequence[str]) -> Scenario:
    """Return a preset that acts on the modalities that a data set has, on every visual one alike."""
    visuals = [modality for modality in modalities if MODALITIES[modality].visual]
    first, *others = visuals or ["image"]
    written = Scenario.model_validate({"preset": name, "visual": first}).as_yaml()
    if first in written:
        written |= dict.fromkeys(others, written[first])
    here = {modality: plan for modality, plan in written.items() if modality in modalities}
    return Scenario.model_validate(here or written)  # where it acts on none of them, the check says so


def _check(build: BuildRecord, manifest: Manifest, request: CorruptRequest, origin: str) -> None:
    """Raise UsageError that lists everything that is wrong with a request."""
    problems = []
    for name in request.scenarios:
        if name == CLEAN:
            problems.append(f"{CLEAN} is the clean data, which avbuild make wrote")
        elif name not in manifest.scenarios:
            known = [other for other in manifest.scenarios if other != CLEAN]
            problems.append(
                f'no scenario "{name}"{nearest(name, known)}; {origin} has {", ".join(known)}; '
                f"presets: {', '.join(PRESETS)}"
            )
        elif absent := _absent(manifest.scenarios[name], build.modalities):
            problems.append(f"{name} acts on {', '.join(absent)}, but this data set has {', '.join(build.modalities)}")
        elif manifest.scenarios[name].leaves_nothing(build.modalities):
            problems.append(f"{name}: {ALL_MISSING}")
        elif ops := _feature_ops(manifest.scenarios[name]):
            problems.append(
                f"{name} acts on features ({', '.join(ops)}), which are not stored: avtrain applies it in its data "
                "loader, with the same seeds"
            )
    available = build.scenarios[CLEAN].splits
    problems += [
        f"no {split} split; it has {', '.join(available)}" for split in request.splits if split not in available
    ]
    if problems:
        raise UsageError(f"{build.name}: " + "; ".join(problems))


def _absent(scenario: Scenario, modalities: Sequence[str]) -> list[str]:
    """Return the modalities that a scenario acts on and the data set does not have."""
    only = scenario.missing and PROTOCOLS[scenario.missing.protocol].only
    acted_on = dict.fromkeys([*scenario.plans, *([only] if only else [])])
    return [modality for modality in acted_on if modality not in modalities]


def _feature_ops(scenario: Scenario) -> list[str]:
    """Return the names of a scenario's ops on features."""
    return list(dict.fromkeys(op.name for op in scenario.ops if op.corruption.domain == "feature"))


def corrupt_data_set(
    folder: Folder,
    build: BuildRecord,
    manifest: Manifest,
    names: Sequence[str],
    splits: Sequence[Split],
    engine: Engine,
    share: JobShare | None = None,
) -> BuildRecord | None:
    """Write the shards of scenarios, then manifest, card and `build.json`. Finished shards are kept.

    Args:
        folder: of the data set.
        build: its record.
        manifest: as returned by `plan_corruptions`.
        names: of the scenarios to write.
        splits: to write.
        engine: that runs the jobs.
        share: write only this share of the shards and nothing else; a later run without it completes the data set.

    Returns the new record, or None for a share.
    """
    folder.remove_abandoned()
    folder.require_files(MANIFEST, *CARD_FILES, BUILD)
    belongs_to: dict[str, tuple[str, Split]] = {}  # shard -> scenario and split
    jobs = []
    for name in names:
        for split in splits:
            new = corrupt_jobs(folder, build, manifest, name, split)
            jobs += new
            belongs_to |= {job.name: (name, split) for job in new}
    jobs = list(share.of(jobs)) if share else jobs
    records: dict[tuple[str, Split], list[ShardRecord]] = defaultdict(list)
    with progress_bar("corrupting", sum(job.source.rows for job in jobs)) as advance:
        for job, record in run(write_corrupted, jobs, engine):
            records[belongs_to[job.name]].append(record)
            advance(record.rows)
    if share:
        return None
    written = {name: _scenario_record(manifest, name, build.scenarios.get(name), records) for name in names}
    on_disk = {**build.scenarios, **written}
    ordered = {name: on_disk[name] for name in (*manifest.scenarios, *on_disk) if name in on_disk}
    build = build.model_copy(update={"scenarios": ordered, "versions": build.versions | library_versions()})
    folder.write(MANIFEST, dump_manifest(manifest).encode())
    write_card(folder, build, manifest)
    build.write(folder)
    folder.remove_abandoned()
    return build


def corrupt_jobs(folder: Folder, build: BuildRecord, manifest: Manifest, name: str, split: Split) -> list[CorruptJob]:
    """Return one job per clean shard of a split.

    Args:
        folder: of the data set.
        build: its record.
        manifest: with the scenario.
        name: of the scenario.
        split: one that the data set has.
    """
    scenario_hash = manifest.scenario_hash(name)
    written = build.scenarios[name].splits.get(split) if name in build.scenarios else None
    before = {shard.file: shard for shard in written.shards} if written else {}
    return [
        CorruptJob(
            folder=folder.url,
            builder=build.builder,
            source=shard,
            name=f"{name}/{shard.file.split('/', 1)[1]}",
            classes=build.classes,
            condition=condition(manifest, name),
            job=digest(shard.content, scenario_hash),
            scenario_hash=scenario_hash,
            before=before.get(f"{name}/{shard.file.split('/', 1)[1]}"),
            plugins=record_corruptions(op.corruption for op in manifest.scenarios[name].ops),
        )
        for shard in build.scenarios[CLEAN].splits[split].shards
    ]


def _scenario_record(
    manifest: Manifest, name: str, before: ScenarioRecord | None, records: Mapping[tuple[str, Split], list[ShardRecord]]
) -> ScenarioRecord:
    """Return what is on disk for a scenario; splits that were written earlier under the same hash are kept."""
    scenario_hash = manifest.scenario_hash(name)
    splits = dict(before.splits) if before and before.hash == scenario_hash else {}
    for split in SPLITS:  # in this order, whichever shard was finished first
        if shards := records.get((name, split)):
            ordered = tuple(sorted(shards, key=lambda shard: shard.file))
            splits[split] = SplitRecord(rows=sum(shard.rows for shard in ordered), shards=ordered)
    splits = {split: splits[split] for split in SPLITS if split in splits}
    return ScenarioRecord(
        seed=manifest.scenario_seed(name),
        hash=scenario_hash,
        content=scenario_content(splits.values()),
        splits=splits,
        plugins=record_corruptions(op.corruption for op in manifest.scenarios[name].ops),
    )
