"""One op of a manifest: a corruption, with a severity or a level."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from avbuild.corruptions import Corruption
from avbuild.corruptions.plugin_record import CorruptionRecord
from avbuild.corruptions.registry import all_corruptions, corruptions_of
from avbuild.errors import nearest
from avbuild.frozen import Frozen
from avbuild.modalities.registry import MODALITIES

PLUGIN_HINT = "; for that of a plug-in give --plugin FILE.py, or install its package"
Severity = Annotated[int, Field(ge=1, le=5, strict=True)]


class Op(Frozen):
    """One corruption with a severity, or an explicit level, or neither (then the severity of the plan holds).

    YAML: `gaussian_noise`, `{gaussian_noise: 4}` (severity), `{gaussian_noise: {snr_db: 7.5}}` (level: a value for each
    parameter) or `{ambient_noise: {clips: FOLDER, severity: 4}}`.
    """

    modality: str
    # of a plug-in that is not loaded here, where a data set or a run records it; not written to manifests
    recorded: Annotated[CorruptionRecord | None, Field(exclude=True, repr=False)] = None
    name: str
    severity: Severity | None = None
    level: dict[str, float] | None = None  # parameter -> value, in the order of the registry
    clips: str | None = None  # folder of recordings, for ops that need them; relative to the folder of the manifest

    @model_validator(mode="before")  # runs after the one below
    @classmethod
    def _with_record(cls, value: Any, info: ValidationInfo) -> Any:
        find_recorded = (info.context or {}).get("plugins")
        if find_recorded is None or not isinstance(value, dict) or value.get("modality") not in MODALITIES:
            return value
        modality, name = value["modality"], value.get("name")
        if name in corruptions_of(modality):
            return value
        return value | {"recorded": find_recorded().get((MODALITIES[modality].family, name))}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        written = value.get("op") if isinstance(value, dict) else None
        if isinstance(written, str):
            return {"modality": value["modality"], "name": written}
        if isinstance(written, dict) and len(written) == 1:
            ((name, given),) = written.items()
            op = {"modality": value["modality"], "name": name}
            if not isinstance(given, dict):
                return op | {"severity": given}
            level = {key: number for key, number in given.items() if key not in ("severity", "clips")}
            return op | {key: given[key] for key in given if key not in level} | {"level": level or None}
        if written is not None:
            raise ValueError(
                f"{written!r} is not an op; write NAME, {{NAME: severity}} or {{NAME: {{parameter: value}}}}"
            )
        return value

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        modality = info.data["modality"]
        known = corruptions_of(modality)
        if name not in known and info.data["recorded"] is None:
            elsewhere = [family for family, others in all_corruptions().items() if name in others]
            hint = f", it acts on {elsewhere[0]}" if elsewhere else nearest(name, known) or PLUGIN_HINT
            raise ValueError(f'no corruption "{name}"{hint} (avbuild scenarios lists all {len(known)})')
        return name

    @field_validator("level", mode="before")
    @classmethod
    def _every_parameter(cls, level: Any, info: ValidationInfo) -> Any:
        if level is None or "name" not in info.data:  # an unknown name is reported by its own check
            return None
        name, parameters = info.data["name"], _corruption(**info.data).parameters
        if set(level) != set(parameters):
            raise ValueError(f"{name} takes {' and '.join(parameters)}, not {', '.join(level) or 'nothing'}")
        return {parameter: level[parameter] for parameter in parameters}

    @field_validator("level")
    @classmethod
    def _within_bounds(cls, level: dict[str, float] | None, info: ValidationInfo) -> dict[str, float] | None:
        if level is not None:
            bounds = _corruption(**info.data).within
            for (parameter, value), (low, high) in zip(level.items(), bounds, strict=True):
                if not low <= value <= high:
                    raise ValueError(f"{parameter}: {value:g} is outside {low:g} to {high:g}")
        return level

    @field_validator("clips")
    @classmethod
    def _relative_to_manifest(cls, clips: str | None, info: ValidationInfo) -> str | None:
        folder = (info.context or {}).get("folder")
        return clips if clips is None or folder is None else str((Path(folder) / clips).resolve())

    @model_validator(mode="after")
    def _complete(self) -> "Op":
        if self.level is not None and self.severity is not None:
            raise ValueError(f"{self.name}: a severity and {', '.join(self.level)} exclude each other")
        if self.corruption.needs_clips and self.clips is None:
            raise ValueError(
                f"{self.name} needs a folder of recordings: {{{self.name}: {{clips: FOLDER, severity: 3}}}}"
            )
        if self.clips is not None and not self.corruption.needs_clips:
            raise ValueError(f"{self.name} takes no clips")
        return self

    @property
    def corruption(self) -> Corruption:
        """The registered corruption, or what stands for that of an absent plug-in."""
        return _corruption(self.modality, self.name, self.recorded)

    def as_yaml(self) -> Any:
        """Return the shortest way to write the op in a manifest."""
        if self.clips is not None:
            given = self.level or ({} if self.severity is None else {"severity": self.severity})
            return {self.name: {"clips": self.clips, **given}}
        if self.level is not None:
            return {self.name: dict(self.level)}
        return self.name if self.severity is None else {self.name: self.severity}


def _corruption(modality: str, name: str, recorded: CorruptionRecord | None, **_: object) -> Corruption:
    return corruptions_of(modality)[name] if recorded is None else recorded.stand_in()
