"""A scenario as a manifest writes it: which ops act on which modality, and how strongly."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from avbuild.corruptions import CORRUPTIONS, MISSING, Corruption
from avbuild.corruptions.registry import MISSING_RATES, SEVERITIES
from avbuild.errors import nearest

Severity = Annotated[int, Field(ge=1, le=5, strict=True)]
Rate = Annotated[float, Field(ge=0, le=1)]
SCENARIO_OPTIONS = ("seed", "draws_as")


class Frozen(BaseModel):
    """Cannot be changed, and knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Op(Frozen):
    """One corruption and how strong: a severity, or an explicit level, or neither (then the plan's severity holds).

    YAML: `gaussian_noise`, `{gaussian_noise: 4}` (severity) or `{gaussian_noise: {snr_db: 7.5}}` (level).
    """

    modality: str
    name: str
    severity: Severity | None = None
    level: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        written = value.get("op") if isinstance(value, dict) else None
        if isinstance(written, str):
            return {"modality": value["modality"], "name": written}
        if isinstance(written, dict) and len(written) == 1:
            ((name, strength),) = written.items()
            if not isinstance(strength, dict):
                return {"modality": value["modality"], "name": name, "severity": strength}
            return {
                "modality": value["modality"],
                "name": name,
                "level": _only_level(value["modality"], name, strength),
            }
        if written is not None:
            raise ValueError(f"{written!r} is no op; write name, {{name: severity}} or {{name: {{parameter: value}}}}")
        return value

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        known = CORRUPTIONS[info.data["modality"]]
        if name not in known:
            raise ValueError(f'no corruption "{name}"{nearest(name, known)} (avbuild scenarios lists all {len(known)})')
        return name

    @field_validator("level")
    @classmethod
    def _sensible(cls, level: float | None, info: ValidationInfo) -> float | None:
        if level is not None and "name" in info.data:
            low, high = CORRUPTIONS[info.data["modality"]][info.data["name"]].within
            if not low <= level <= high:
                raise ValueError(f"{level:g} is outside {low:g} to {high:g}")
        return level

    @property
    def corruption(self) -> Corruption:
        """Its registry entry."""
        return CORRUPTIONS[self.modality][self.name]

    def as_yaml(self) -> Any:
        """The shortest way to write it."""
        if self.level is not None:
            return {self.name: {self.corruption.parameter: self.level}}
        return self.name if self.severity is None else {self.name: self.severity}


def _only_level(modality: str, name: str, written: Mapping[str, Any]) -> Any:
    corruption = CORRUPTIONS[modality].get(name)
    if corruption is None:  # the unknown name is reported by its own check
        return None
    if set(written) != {corruption.parameter}:
        raise ValueError(f"{name} takes {corruption.parameter}, not {', '.join(written) or 'nothing'}")
    return written[corruption.parameter]


class Plan(Frozen):
    """What happens to one modality: one op drawn for each sample (`any_of`), or all of them in order (`chain`).

    YAML: the mapping itself, `missing`, one op, or a list of ops (a chain).  `{missing: 3}` is a missing rate too, by
    severity: 10, 30, 50, 70 and 90 %.
    """

    modality: str
    any_of: tuple[Op, ...] = ()
    chain: tuple[Op, ...] = ()
    severity: Severity | None = None
    missing_rate: Rate = 0.0

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        modality, written = value["modality"], value["plan"]
        if modality not in CORRUPTIONS:
            allowed = ", ".join([*CORRUPTIONS, *SCENARIO_OPTIONS])
            raise ValueError(f"no such modality{nearest(modality, CORRUPTIONS)}; allowed: {allowed}")
        if written == MISSING:
            written = {"missing_rate": 1.0}
        elif isinstance(written, str):
            written = {"chain": [written]}
        elif isinstance(written, list):
            written = {"chain": written}
        elif not isinstance(written, dict):
            raise ValueError(f"{written!r} is no plan; write missing, an op, a list of ops, or any_of / chain")
        elif not written:
            raise ValueError("an empty plan does nothing; leave the modality out")
        plan = {**written, "modality": modality}
        if MISSING in plan and "missing_rate" not in plan:
            plan["missing_rate"] = _missing_rate(plan.pop(MISSING))
        for key in ("any_of", "chain"):
            if isinstance(plan.get(key), list):
                plan[key] = [{"modality": modality, "op": op} for op in plan[key]]
        return plan

    @model_validator(mode="after")
    def _complete(self) -> "Plan":
        if self.any_of and self.chain:
            raise ValueError("any_of and chain exclude each other")
        if not (self.any_of or self.chain or "missing_rate" in self.model_fields_set):
            raise ValueError("needs any_of, chain or missing_rate")
        for op in (*self.any_of, *self.chain):
            if op.level is None and op.severity is None and self.severity is None:
                raise ValueError(f"{op.name} needs a severity (1 to 5) or a level, {{{op.corruption.parameter}: ...}}")
        return self

    def as_yaml(self) -> Any:
        """The shortest way to write it."""
        if self.missing_rate == 1.0:
            return MISSING
        plan: dict[str, Any] = {key: [op.as_yaml() for op in ops] for key, ops in self._ops_by_key() if ops}
        if self.severity is not None:
            plan["severity"] = self.severity
        if self.missing_rate or not plan:
            plan["missing_rate"] = self.missing_rate
        return plan

    def _ops_by_key(self) -> tuple[tuple[str, tuple[Op, ...]], ...]:
        return ("any_of", self.any_of), ("chain", self.chain)

    def at_severity(self, severity: int) -> "Plan":
        """The same ops, all at one severity; explicit levels give way, and a missing rate becomes the severity's."""
        ops = {
            key: tuple(op.model_copy(update={"severity": None, "level": None}) for op in ops)
            for key, ops in self._ops_by_key()
        }
        rate = MISSING_RATES[severity - 1] if self.missing_rate else 0.0
        return self.model_copy(update={**ops, "severity": severity, "missing_rate": rate})


def _missing_rate(severity: Any) -> float:
    if severity not in SEVERITIES:
        raise ValueError(f"{MISSING}: {severity!r} is outside 1 to 5; for a rate write missing_rate: 0.3")
    return MISSING_RATES[severity - 1]


class Scenario(Frozen):
    """A condition the data are tested under: a plan for each modality that is touched, none for clean data.

    YAML: `{audio: PLAN, image: PLAN}`; `seed` and `draws_as` (draw as the scenario of that name does) are optional.
    """

    plans: dict[str, Plan] = {}
    seed: int | None = None
    draws_as: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no scenario; write {{}} for clean data, or a plan for each modality")
        if "plans" in value:
            return value
        options = {key: value[key] for key in SCENARIO_OPTIONS if key in value}
        plans = {key: {"modality": key, "plan": plan} for key, plan in value.items() if key not in options}
        return {**options, "plans": plans}

    @model_validator(mode="after")
    def _leaves_something(self) -> "Scenario":
        if len(self.plans) == len(CORRUPTIONS) and all(plan.missing_rate == 1.0 for plan in self.plans.values()):
            raise ValueError("every modality is missing: nothing is left to classify")
        return self

    def as_yaml(self) -> dict[str, Any]:
        """As it would be written in a manifest."""
        written: dict[str, Any] = {modality: plan.as_yaml() for modality, plan in self.plans.items()}
        options = {"seed": self.seed, "draws_as": self.draws_as}
        return written | {key: value for key, value in options.items() if value is not None}
