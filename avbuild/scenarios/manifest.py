"""The manifest: a data set, how it is split, and the scenarios it is tested under.

These models are frozen and round-trip to the YAML they were read from. `manifest_file.py` reads them and reports
errors with their lines.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from avbuild.errors import nearest
from avbuild.frozen import Frozen
from avbuild.scenarios.noise_clips import noise_clips
from avbuild.scenarios.presets import SCENARIO_SETS
from avbuild.scenarios.seeding import digest
from avbuild.scenarios.spec import Scenario

CLEAN = "C"  # the scenario that is on disk before anything is corrupted
LONGEST_NAME = 100  # characters; files of this name with a longer end fit any file system
FILES = ("readme.md", "manifest.yaml", "build.json", "croissant.json")  # beside the folders of the scenarios
DEVICES = ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))


def _folder_name(name: str) -> str:
    """Return the name of a scenario, which is a folder of a data set and a config of `datasets`."""
    if name.lower() == "default":
        raise ValueError(f"{name} is reserved by datasets, which then loads no scenario; give it another name")
    if name.lower() in FILES:
        raise ValueError(f"{name} is the name of a file of every data set; give the scenario another name")
    if name.lower().split(".")[0] in DEVICES or name.endswith(".") or len(name) > LONGEST_NAME:
        raise ValueError(f"{name} cannot be the name of a folder everywhere; give it another name")
    return name


def clashing(names: Iterable[str]) -> str:
    """Return which names differ only in upper and lower case, or nothing where none do.

    Such scenarios would share a folder on macOS and Windows.

    Args:
        names: of the scenarios.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            return f"{other} and {name} differ only in upper and lower case; give one of them another name"
    return ""


ScenarioName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"), AfterValidator(_folder_name)]


class FoldSplit(Frozen):
    """Split by the publisher's folds: one for test, one for validation, all others for training.

    Without a validation fold, validation samples are taken from the training folds, whole recordings at a time.
    """

    test: Annotated[int, Field(ge=1)]
    validation: Annotated[int, Field(ge=1)] | None = None


class SplitSpec(Frozen):
    """The rule by which rows become train, validation and test splits.

    `default`: as the data set was built, no recording in two splits.  `fold: {test: 10, validation: 9}`: the
    publisher's folds.  `random70`: 70 / 30 by row, as in much published work; leaky, and every table says so.
    """

    protocol: Literal["default", "fold", "random70"] = "default"
    fold: FoldSplit | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("protocol"), dict):
            value = {**value, **value["protocol"], "protocol": "fold"}
        if isinstance(value, dict) and "fold" in value:
            value = {"protocol": "fold", **value}
        return value

    @model_validator(mode="after")
    def _complete(self) -> "SplitSpec":
        if (self.protocol == "fold") != (self.fold is not None):
            raise ValueError("protocol fold is written {fold: {test: 10, validation: 9}}")
        if self.fold and self.fold.test == self.fold.validation:
            raise ValueError(f"fold {self.fold.test} cannot both test and validate")
        return self

    @property
    def leaky(self) -> bool:
        """Whether a recording can be in two splits."""
        return self.protocol == "random70"

    def as_yaml(self) -> dict[str, Any]:
        """Return the spec as a manifest writes it."""
        return self.model_dump(exclude_none=True)


class Manifest(Frozen):
    """A data set, its split and its scenarios."""

    manifest: Literal[1]
    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    dataset: Annotated[str, Field(min_length=1)]
    split: SplitSpec = SplitSpec()
    seed: int = 0
    scenarios: Annotated[dict[ScenarioName, Scenario], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        """Replace `preset: NAME` by its scenarios; scenarios beside it are added, or replace those of the same name."""
        if not isinstance(value, dict) or "preset" not in value:
            return value
        name, rest = value["preset"], {key: given for key, given in value.items() if key != "preset"}
        if not isinstance(name, str) or name not in SCENARIO_SETS:
            raise ValueError(
                f'no preset "{name}"{nearest(str(name), SCENARIO_SETS)}; allowed: {", ".join(SCENARIO_SETS)}'
            )
        return rest | {"scenarios": SCENARIO_SETS[name] | (rest.get("scenarios") or {})}

    @field_validator("scenarios")
    @classmethod
    def _no_clash(cls, scenarios: dict[str, Scenario]) -> dict[str, Scenario]:
        if problem := clashing(scenarios):
            raise ValueError(problem)
        return scenarios

    def scenario_seed(self, name: str) -> int:
        """Return the seed of a scenario: its own, or else the manifest's."""
        own = self.scenarios[name].seed
        return self.seed if own is None else own

    def scenario_hash(self, name: str) -> str:
        """Return a hash of all that the corrupted bytes depend on: seed, spec, `draws_as`, op versions, noise clips.

        For a corruption of a plug-in the digest of its source is one of them.
        """
        scenario = self.scenarios[name]
        versions: list[object] = [*sorted({(op.modality, op.name, *op.corruption.identity) for op in scenario.ops})]
        versions += sorted({noise_clips(op.clips).content for op in scenario.ops if op.clips is not None})
        spec = {modality: plan.as_yaml() for modality, plan in scenario.plans.items()}
        if scenario.missing is not None:
            spec["missing"] = scenario.missing.as_yaml()
        return digest(self.scenario_seed(name), scenario.draws_as or name, spec, versions)

    def as_yaml(self) -> dict[str, Any]:
        """Return the manifest as it is written to a file."""
        return {
            "manifest": self.manifest,
            "name": self.name,
            "dataset": self.dataset,
            "split": self.split.as_yaml(),
            "seed": self.seed,
            "scenarios": {name: scenario.as_yaml() for name, scenario in self.scenarios.items()},
        }
