"""One op of a manifest: a corruption, with a severity or a level."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from avbuild.corruptions import CORRUPTIONS, Corruption
from avbuild.corruptions.registry import corruptions_of
from avbuild.errors import nearest
from avbuild.frozen import Frozen

Severity = Annotated[int, Field(ge=1, le=5, strict=True)]


class Op(Frozen):
    """One corruption with a severity, or an explicit level, or neither (then the severity of the plan holds).

    YAML: `gaussian_noise`, `{gaussian_noise: 4}` (severity), `{gaussian_noise: {snr_db: 7.5}}` (level: a value for each
    parameter) or `{ambient_noise: {clips: FOLDER, severity: 4}}`.
    """

    modality: str
    name: str
    severity: Severity | None = None
    level: dict[str, float] | None = None  # parameter -> value, in the order of the registry
    clips: str | None = None  # folder of recordings, for ops that need them; relative to the folder of the manifest

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
        known = corruptions_of(info.data["modality"])
        if name not in known:
            elsewhere = [modality for modality, others in CORRUPTIONS.items() if name in others]
            hint = f", it acts on {elsewhere[0]}" if elsewhere else nearest(name, known)
            raise ValueError(f'no corruption "{name}"{hint} (avbuild scenarios lists all {len(known)})')
        return name

    @field_validator("level", mode="before")
    @classmethod
    def _every_parameter(cls, level: Any, info: ValidationInfo) -> Any:
        if level is None or "name" not in info.data:  # an unknown name is reported by its own check
            return None
        name, parameters = info.data["name"], corruptions_of(info.data["modality"])[info.data["name"]].parameters
        if set(level) != set(parameters):
            raise ValueError(f"{name} takes {' and '.join(parameters)}, not {', '.join(level) or 'nothing'}")
        return {parameter: level[parameter] for parameter in parameters}

    @field_validator("level")
    @classmethod
    def _within_bounds(cls, level: dict[str, float] | None, info: ValidationInfo) -> dict[str, float] | None:
        if level is not None:
            bounds = corruptions_of(info.data["modality"])[info.data["name"]].within
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
        """The registered corruption."""
        return corruptions_of(self.modality)[self.name]

    def as_yaml(self) -> Any:
        """Return the shortest way to write the op in a manifest."""
        if self.clips is not None:
            given = self.level or ({} if self.severity is None else {"severity": self.severity})
            return {self.name: {"clips": self.clips, **given}}
        if self.level is not None:
            return {self.name: dict(self.level)}
        return self.name if self.severity is None else {self.name: self.severity}
