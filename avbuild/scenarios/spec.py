"""A scenario of a manifest: which ops act on which modality, at which severity, and what goes missing."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from avbuild.corruptions import MISSING
from avbuild.corruptions.missing import PROTOCOLS
from avbuild.corruptions.registry import MISSING_RATES, SEVERITIES
from avbuild.errors import nearest
from avbuild.frozen import Frozen
from avbuild.modalities.registry import FAMILIES, MODALITIES
from avbuild.scenarios.op_spec import Op, Severity
from avbuild.scenarios.presets import PRESETS

Rate = Annotated[float, Field(ge=0, le=1)]
# YAML parses a bare null as None
Fill = Annotated[Literal["null", "zeros", "mean", "noise"], BeforeValidator(lambda what: what or "null")]
SCENARIO_OPTIONS = ("missing", "seed", "draws_as")
PRESET_OPTIONS = ("preset", "severity", "visual")
ALL_MISSING = "every modality is missing: nothing is left to classify"


class ModalityPlan(Frozen):
    """The plan for one modality: one op drawn per sample (`any_of`), or several ops in order (`chain`).

    YAML: this mapping, `missing`, one op, or a list of ops (a chain).  `{missing: 3}` is a missing rate by severity:
    10, 30, 50, 70 and 90 %.  `fill` names what replaces a missing signal.
    """

    modality: str
    any_of: tuple[Op, ...] = ()
    chain: tuple[Op, ...] = ()
    severity: Severity | None = None
    missing_rate: Rate = 0.0
    fill: Fill = "null"

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        modality, written = value["modality"], value["plan"]
        if modality not in MODALITIES:
            allowed = ", ".join([*MODALITIES, *SCENARIO_OPTIONS])
            raise ValueError(f"no such modality{nearest(modality, MODALITIES)}; allowed: {allowed}")
        if written == MISSING:
            written = {"missing_rate": 1.0}
        elif isinstance(written, str):
            written = {"chain": [written]}
        elif isinstance(written, list):
            written = {"chain": written}
        elif not isinstance(written, dict):
            raise ValueError(f"{written!r} is not a plan; write missing, an op, a list of ops, or any_of / chain")
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
    def _complete(self) -> "ModalityPlan":
        if self.any_of and self.chain:
            raise ValueError("any_of and chain exclude each other")
        if not (self.any_of or self.chain or "missing_rate" in self.model_fields_set):
            raise ValueError("needs any_of, chain or missing_rate")
        for op in (*self.any_of, *self.chain):
            if op.level is None and op.severity is None and self.severity is None:
                levels = ", ".join(f"{parameter}: ..." for parameter in op.corruption.parameters)
                raise ValueError(f"{op.name} needs a severity (1 to 5) or a level, {{{levels}}}")
        domains = [op.corruption.domain for op in self.chain]
        if domains != sorted(domains, reverse=True):  # "signal" before "feature"
            raise ValueError("an op on features cannot come before an op on the signal")
        return self

    def as_yaml(self) -> Any:
        """Return the shortest way to write the plan in a manifest."""
        if self.missing_rate == 1.0 and self.fill == "null":
            return MISSING
        plan: dict[str, Any] = {key: [op.as_yaml() for op in ops] for key, ops in self._ops_by_key() if ops}
        if self.severity is not None:
            plan["severity"] = self.severity
        if self.missing_rate or not plan:
            plan["missing_rate"] = self.missing_rate
        if self.fill != "null":
            plan["fill"] = self.fill
        return plan

    def _ops_by_key(self) -> tuple[tuple[str, tuple[Op, ...]], ...]:
        return ("any_of", self.any_of), ("chain", self.chain)

    def at_severity(self, severity: int) -> "ModalityPlan":
        """Return a plan with all ops and the missing rate at one severity, in place of explicit levels and rates."""
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


class Missing(Frozen):
    """A published protocol that chooses among all modalities of a sample.  YAML: `{protocol: cpm, rate: 0.5}`."""

    protocol: str
    rate: Rate = 0.5
    fill: Fill = "null"

    @field_validator("protocol")
    @classmethod
    def _known(cls, protocol: str) -> str:
        if protocol not in PROTOCOLS:
            raise ValueError(f'no protocol "{protocol}"{nearest(protocol, PROTOCOLS)}; allowed: {", ".join(PROTOCOLS)}')
        return protocol

    def as_yaml(self) -> dict[str, Any]:
        """Return the shortest way to write the protocol in a manifest."""
        return self.model_dump(exclude_defaults=True)


class Scenario(Frozen):
    """A test condition: a plan for each modality that it changes; no plans for clean data.

    YAML: `{audio: PLAN, image: PLAN}`, or `{preset: rain, severity: 3}`.  Optional: `missing` (a published protocol),
    `seed`, and `draws_as` (draw as the scenario of that name does).  For a data set of videos: `{video: PLAN}`, or
    `{preset: rain, visual: video}`.
    """

    plans: dict[str, ModalityPlan] = {}
    missing: Missing | None = None
    seed: int | None = None
    draws_as: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is not a scenario; write {{}} for clean data, or a plan for each modality")
        if "plans" in value:
            return value
        if "preset" in value:
            value = _expanded(value)
        options = {key: value[key] for key in SCENARIO_OPTIONS if key in value}
        plans = {key: {"modality": key, "plan": plan} for key, plan in value.items() if key not in options}
        return {**options, "plans": plans}

    @model_validator(mode="after")
    def _keeps_a_modality(self) -> "Scenario":
        missing = {modality for modality, plan in self.plans.items() if plan.missing_rate == 1.0}
        if {MODALITIES[modality].family for modality in missing} == set(FAMILIES):
            raise ValueError(ALL_MISSING)
        if self.missing and any(plan.missing_rate for plan in self.plans.values()):
            raise ValueError("a missing protocol and a missing_rate exclude each other")
        return self

    @property
    def ops(self) -> tuple[Op, ...]:
        """All ops of all modalities."""
        return tuple(op for plan in self.plans.values() for op in (*plan.any_of, *plan.chain))

    def leaves_nothing(self, modalities: Iterable[str]) -> bool:
        """Whether every one of the modalities of a data set is missing from all samples.

        Args:
            modalities: of the data set.
        """
        return all(m in self.plans and self.plans[m].missing_rate == 1.0 for m in modalities)

    @property
    def clean(self) -> bool:
        """Whether the scenario changes nothing."""
        return not self.plans and self.missing is None

    def fill(self, modality: str) -> str:
        """Return what replaces a modality that goes missing: null, zeros, mean or noise."""
        return self.missing.fill if self.missing else self.plans[modality].fill

    def as_yaml(self) -> dict[str, Any]:
        """Return the scenario as a manifest writes it."""
        written: dict[str, Any] = {modality: plan.as_yaml() for modality, plan in self.plans.items()}
        missing = self.missing and self.missing.as_yaml()
        options = {"missing": missing, "seed": self.seed, "draws_as": self.draws_as}
        return written | {key: value for key, value in options.items() if value is not None}


def _expanded(value: dict[str, Any]) -> dict[str, Any]:
    """Replace a preset by its plans; options given with it are kept."""
    name, severity, visual = value["preset"], value.get("severity"), value.get("visual", "image")
    if name not in PRESETS:
        raise ValueError(f'no preset "{name}"{nearest(str(name), PRESETS)}; allowed: {", ".join(PRESETS)}')
    preset = PRESETS[name]
    if severity is not None and preset.fixed:
        raise ValueError(f"preset {name} has fixed levels and takes no severity")
    allowed = [modality.name for modality in MODALITIES.values() if modality.visual]
    if visual not in allowed:
        raise ValueError(f"visual: {visual!r} is not allowed; allowed: {', '.join(allowed)}")
    options = {key: given for key, given in value.items() if key not in PRESET_OPTIONS}
    plans = preset.fixed or {m: {"chain": list(ops), "severity": severity or 3} for m, ops in preset.ops.items()}
    return {**{visual if MODALITIES[m].visual else m: plan for m, plan in plans.items()}, **options}
