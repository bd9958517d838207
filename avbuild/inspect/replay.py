"""Create one corrupted sample again from its `corruption` column and the clean sample, for `avbuild replay`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avbuild.corruptions import MISSING
from avbuild.corruptions.plugin_record import CorruptionRecord
from avbuild.corruptions.registry import corruptions_of
from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.reading import read_shard
from avbuild.dataset.rows import StoredSample
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError, listed, nearest
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.jobs import corrupt_sample
from avbuild.scenarios.manifest import CLEAN
from avbuild.scenarios.plan import Condition
from avbuild.scenarios.spec import Scenario

NOT_PARAMETERS = ("op", "version", "severity", "gain", "unchanged", "plugin")  # of the keys of a recorded op


@dataclass(frozen=True, slots=True)
class ReplayedSample:
    """A corrupted sample created again, with the clean sample it was made from and the stored one."""

    replayed: StoredSample
    clean: StoredSample
    stored: StoredSample

    @property
    def differing_columns(self) -> list[str]:
        """Columns in which the replayed sample is not bit-identical to the stored one."""
        stored: Mapping[str, object] = self.stored
        return [key for key, value in self.replayed.items() if value != stored[key]]


def replay_sample(folder: Folder, build: BuildRecord, scenario: str, sample_id: str) -> ReplayedSample:
    """Create a corrupted sample again.

    Args:
        folder: of the data set.
        build: the data set's record.
        scenario: a corrupted scenario of the data set.
        sample_id: value of the column `id`.

    Raises UserError where there is no such sample, or where it was made by another version of an op.
    """
    if scenario not in build.scenarios or scenario == CLEAN:
        corrupted = [name for name in build.scenarios if name != CLEAN]
        known = ", ".join(corrupted) or "none"
        raise UserError(f'{folder}: no corrupted scenario "{scenario}"{nearest(scenario, corrupted)}; it has {known}')
    stored, clean = (_find_sample(folder, build, name, sample_id) for name in (scenario, CLEAN))
    if stored is None or clean is None:
        splits = ", ".join(build.scenarios[scenario].splits)
        raise UserError(
            f"{folder}: no sample {sample_id} in scenario {scenario} ({splits}); avbuild inspect shows what is there"
        )
    record = json.loads(stored["corruption"])
    if not record:
        return ReplayedSample(clean, clean, stored)
    replayed = corrupt_sample(clean, condition_of(record, sample_id, build.scenarios[scenario].plugins))
    replayed["corruption"] = stored["corruption"]  # the replayed record has levels where the stored one has severities
    return ReplayedSample(replayed, clean, stored)


def condition_of(record: Mapping[str, Any], sample_id: str, recorded: Sequence[CorruptionRecord] = ()) -> Condition:
    """Convert the value of a `corruption` column to a condition with the same draws and ops, every level explicit.

    Args:
        record: the parsed JSON of the column.
        sample_id: named in the error.
        recorded: corruptions of plug-ins that the scenario was made with, named in the error.

    Raises UserError where an op is not known here, or has another version.
    """
    plans: dict[str, Any] = {}
    problems = []
    for modality in (key for key in record if key in MODALITIES):
        applied = record[modality]
        if applied == MISSING:
            plans[modality] = MISSING
        elif isinstance(applied, dict):
            plans[modality] = {"missing_rate": 1.0, "fill": applied[MISSING]}
        else:
            problems += [_problem(modality, op, recorded) for op in applied]
            plans[modality] = [{op["op"]: _parameters(op)} for op in applied]
    if any(problems):
        raise UserError(f"sample {sample_id} cannot be created again here\n{listed([p for p in problems if p])}")
    return Condition(Scenario.model_validate(plans), record["scenario"], record["seed"])


def _parameters(op: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in op.items() if key not in NOT_PARAMETERS}


def _problem(modality: str, op: Mapping[str, Any], recorded: Sequence[CorruptionRecord]) -> str:
    """Return what is wrong with a recorded op, or an empty string."""
    corruption, family = corruptions_of(modality).get(op["op"]), MODALITIES[modality].family
    plugin = next((r for r in recorded if (r.modality, r.name) == (family, op["op"])), None)
    if corruption is None and plugin is not None:
        return str(plugin.absent())
    if plugin is not None and (change := plugin.change()):
        return change
    if corruption is None:
        return f"this avbuild has no {modality} corruption {op['op']}"
    if corruption.version != op["version"]:
        return f"{modality} {op['op']}: made by version {op['version']}, this avbuild has {corruption.version}"
    return ""


def _find_sample(folder: Folder, build: BuildRecord, scenario: str, sample_id: str) -> StoredSample | None:
    for made in build.scenarios[scenario].splits.values():
        for shard in made.shards:
            for sample in read_shard(folder, shard, build.builder):
                if sample["id"] == sample_id:
                    return sample
    return None
