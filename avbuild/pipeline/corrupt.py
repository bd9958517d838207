"""`avbuild corrupt`: write the shards of scenarios beside the clean ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.dataset.build_record import (
    BuildRecord,
    Made,
    ScenarioRecord,
    library_versions,
    read_build,
    scenario_content,
)
from avbuild.dataset.card import write_card
from avbuild.dataset.shards import ShardRecord
from avbuild.dataset.splits import Split
from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError, nearest
from avbuild.pipeline.engines import Engine, JobShare, run
from avbuild.pipeline.jobs import CorruptJob, write_corrupted
from avbuild.progress import progress_bar
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.manifest_file import FILE_NAME as MANIFEST
from avbuild.scenarios.manifest_file import dump_manifest, load_manifest
from avbuild.scenarios.plan import at_severity, condition
from avbuild.scenarios.presets import PRESETS
from avbuild.scenarios.seeding import digest
from avbuild.scenarios.spec import Scenario


@dataclass(frozen=True, slots=True)
class Corruptions:
    """What was asked for."""

    scenarios: tuple[str, ...]
    splits: tuple[Split, ...] = ("test",)
    severity: int | None = None
    seed: int | None = None
    manifest: str | None = None  # in place of the data set's own


def plan_corruptions(folder: Folder, asked: Corruptions) -> tuple[BuildRecord, Manifest, list[str]]:
    """The data set's record, its manifest with the scenarios asked for in it, and their names.

    An override makes a scenario of its own: D at severity 5 is `D-severity5`, and draws as D does.
    """
    build = read_build(folder)
    own = load_manifest(folder.path(MANIFEST))
    given = load_manifest(asked.manifest) if asked.manifest else own
    presets = {
        name: Scenario.model_validate({"preset": name, "visual": build.visual})
        for name in asked.scenarios
        if name in PRESETS
    }
    given = given.model_copy(update={"scenarios": {**presets, **given.scenarios}})
    _check(build, given, asked, asked.manifest or folder.path(MANIFEST))
    scenarios, names = dict(own.scenarios), []
    for name in asked.scenarios:
        scenario, variant = given.scenarios[name], name
        seed = given.scenario_seed(name) if asked.seed is None else asked.seed
        if asked.severity is not None:
            scenario, variant = at_severity(scenario, name, asked.severity), f"{variant}-severity{asked.severity}"
        if asked.seed is not None:
            variant = f"{variant}-seed{asked.seed}"
            scenario = scenario.model_copy(update={"draws_as": scenario.draws_as or name})
        scenarios[variant] = scenario.model_copy(update={"seed": None if seed == own.seed else seed})
        names.append(variant)
    return build, own.model_copy(update={"dataset": ".", "scenarios": scenarios}), names


def _check(build: BuildRecord, manifest: Manifest, asked: Corruptions, origin: str) -> None:
    problems = []
    for name in asked.scenarios:
        if name == CLEAN:
            problems.append(f"{CLEAN} is the clean data: avbuild make wrote it")
        elif name not in manifest.scenarios:
            known = [other for other in manifest.scenarios if other != CLEAN]
            problems.append(
                f'no scenario "{name}"{nearest(name, known)}; {origin} has {", ".join(known)}, '
                f"and these come with avbuild: {', '.join(PRESETS)}"
            )
        elif absent := _absent(manifest.scenarios[name], build.modalities):
            problems.append(f"{name} acts on {', '.join(absent)}, but this data set has {', '.join(build.modalities)}")
        elif ops := _feature_ops(manifest.scenarios[name]):
            problems.append(
                f"{name} acts on features ({', '.join(ops)}), which no file holds: avtrain applies it in its loader, "
                "from the same seeds"
            )
    there = build.scenarios[CLEAN].splits
    problems += [f"no {split} split; it has {', '.join(there)}" for split in asked.splits if split not in there]
    if problems:
        raise UsageError(f"{build.name}: " + "; ".join(problems))


def _absent(scenario: Scenario, modalities: Sequence[str]) -> list[str]:
    """What a scenario acts on and the data set has not."""
    only = scenario.missing and PROTOCOLS[scenario.missing.protocol].only
    acted_on = dict.fromkeys([*scenario.plans, *([only] if only else [])])
    return [modality for modality in acted_on if modality not in modalities]


def _feature_ops(scenario: Scenario) -> list[str]:
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
    """Write the shards of each scenario, then manifest, card and `build.json`. Finished shards are kept.

    share: write this share of the shards and nothing else, and return None; the whole is finished by a run without it.
    """
    folder.remove_abandoned()
    home: dict[str, tuple[str, Split]] = {}  # shard -> the scenario and split it belongs to
    jobs = []
    for name in names:
        for split in splits:
            new = _jobs(folder, build, manifest, name, split)
            jobs += new
            home |= {job.name: (name, split) for job in new}
    jobs = list(share.of(jobs)) if share else jobs
    records: dict[tuple[str, Split], list[ShardRecord]] = defaultdict(list)
    with progress_bar("corrupting", sum(job.rows for job in jobs)) as advance:
        for job, record in run(write_corrupted, jobs, engine):
            records[home[job.name]].append(record)
            advance(record.rows)
    if share:
        return None
    made = {name: _record(manifest, name, build.scenarios.get(name), records) for name in names}
    on_disk = {**build.scenarios, **made}
    ordered = {name: on_disk[name] for name in (*manifest.scenarios, *on_disk) if name in on_disk}
    build = build.model_copy(update={"scenarios": ordered, "versions": build.versions | library_versions()})
    folder.write(MANIFEST, dump_manifest(manifest).encode())
    write_card(folder, build, manifest)
    build.write(folder)
    return build


def _jobs(folder: Folder, build: BuildRecord, manifest: Manifest, name: str, split: Split) -> list[CorruptJob]:
    scenario_hash = manifest.scenario_hash(name)
    return [
        CorruptJob(
            folder=folder.url,
            source=shard.file,
            rows=shard.rows,
            name=f"{name}/{shard.file.split('/', 1)[1]}",
            classes=build.classes,
            condition=condition(manifest, name),
            job=digest(shard.content, scenario_hash),
            scenario_hash=scenario_hash,
        )
        for shard in build.scenarios[CLEAN].splits[split].shards
    ]


def _record(
    manifest: Manifest, name: str, before: ScenarioRecord | None, records: Mapping[tuple[str, Split], list[ShardRecord]]
) -> ScenarioRecord:
    """What is on disk for a scenario now: splits written earlier under the same hash stay."""
    scenario_hash = manifest.scenario_hash(name)
    splits = dict(before.splits) if before and before.hash == scenario_hash else {}
    for (scenario, split), shards in records.items():
        if scenario == name:
            ordered = tuple(sorted(shards, key=lambda shard: shard.file))
            splits[split] = Made(rows=sum(shard.rows for shard in ordered), shards=ordered)
    return ScenarioRecord(
        seed=manifest.scenario_seed(name), hash=scenario_hash, content=scenario_content(splits.values()), splits=splits
    )
