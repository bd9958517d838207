"""`avbuild replay`: one corrupted sample again, from its `corruption` column and the clean row alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avbuild.corruptions import MISSING
from avbuild.corruptions.registry import corruptions_of
from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.rows import StoredSample
from avbuild.dataset.shards import read_samples
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError, listed, nearest
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.jobs import corrupt_sample
from avbuild.scenarios.manifest import CLEAN
from avbuild.scenarios.plan import Condition
from avbuild.scenarios.spec import Scenario

NOT_PARAMETERS = ("op", "version", "severity", "gain", "unchanged")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A sample made again, and how it compares with the one on disk."""

    sample: StoredSample
    clean: StoredSample
    stored: StoredSample

    @property
    def differs(self) -> list[str]:
        """Columns that are not bit for bit those on disk."""
        stored: Mapping[str, object] = self.stored
        return [key for key, value in self.sample.items() if value != stored[key]]


def replay(folder: Folder, build: BuildRecord, scenario: str, sample_id: str) -> Replayed:
    """Make a sample again.  Raises UserError where it is not on disk, or was made by another version of an op."""
    if scenario not in build.scenarios or scenario == CLEAN:
        there = [name for name in build.scenarios if name != CLEAN]
        has = ", ".join(there) or "none"
        raise UserError(f'{folder}: no corrupted scenario "{scenario}"{nearest(scenario, there)}; it has {has}')
    stored, clean = (_find(folder, build, name, sample_id) for name in (scenario, CLEAN))
    if stored is None or clean is None:
        splits = ", ".join(build.scenarios[scenario].splits)
        raise UserError(f"{folder}: no sample {sample_id} in scenario {scenario} ({splits}); avbuild inspect shows it")
    record = json.loads(stored["corruption"])
    if not record:
        return Replayed(clean, clean, stored)
    again = corrupt_sample(clean, condition_of(record, sample_id))
    again["corruption"] = stored["corruption"]  # what was replayed; a severity is now a level
    return Replayed(again, clean, stored)


def condition_of(record: Mapping[str, Any], sample_id: str) -> Condition:
    """What a `corruption` column says, as a condition: the same draws, the same ops, every level explicit."""
    plans: dict[str, Any] = {}
    problems = []
    for modality in (key for key in record if key in MODALITIES):
        done = record[modality]
        if done == MISSING:
            plans[modality] = MISSING
        elif isinstance(done, dict):
            plans[modality] = {"missing_rate": 1.0, "fill": done[MISSING]}
        else:
            problems += [_version_problem(modality, step) for step in done]
            plans[modality] = [{step["op"]: _parameters(step)} for step in done]
    if any(problems):
        raise UserError(f"sample {sample_id} cannot be made again here\n{listed([p for p in problems if p])}")
    return Condition(Scenario.model_validate(plans), record["scenario"], record["seed"])


def _parameters(step: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key not in NOT_PARAMETERS}


def _version_problem(modality: str, step: Mapping[str, Any]) -> str:
    corruption = corruptions_of(modality).get(step["op"])
    if corruption is None:
        return f"this avbuild has no {modality} corruption {step['op']}"
    if corruption.version != step["version"]:
        return f"{modality} {step['op']}: made by version {step['version']}, this avbuild has {corruption.version}"
    return ""


def _find(folder: Folder, build: BuildRecord, scenario: str, sample_id: str) -> StoredSample | None:
    for made in build.scenarios[scenario].splits.values():
        for shard in made.shards:
            for sample in read_samples(folder.read(shard.file)):
                if sample["id"] == sample_id:
                    return sample
    return None
