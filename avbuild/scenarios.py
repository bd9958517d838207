"""From (scenario, sample id) to the exact plan for that sample, and from the plan to the corrupted signals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avbuild.corruptions import MISSING
from avbuild.corruptions.registry import Signal
from avbuild.manifest import Manifest
from avbuild.media import quantise_audio
from avbuild.scenario_spec import Op, Plan, Scenario
from avbuild.seeding import rng_for, uniform_for


@dataclass(frozen=True)
class Condition:
    """A scenario with all that its draws depend on."""

    scenario: Scenario
    draws_as: str  # the name the draws are keyed by: D at severity 5 draws as D does
    seed: int


@dataclass(frozen=True)
class SamplePlan:
    """What will happen to one sample: which modalities go, which ops act on the others, at what strength."""

    condition: Condition
    sample: str
    epoch: int
    missing: frozenset[str]
    ops: Mapping[str, tuple[tuple[Op, int | None], ...]]  # modality -> (op, severity unless its level is given)


def condition(manifest: Manifest, name: str) -> Condition:
    """One scenario of a manifest, ready to plan with."""
    scenario = manifest.scenarios[name]
    return Condition(scenario, scenario.draws_as or name, manifest.scenario_seed(name))


def at_severity(scenario: Scenario, name: str, severity: int) -> Scenario:
    """The scenario called `name` with all its ops at one severity, drawing the same noise, only stronger or weaker."""
    plans = {modality: plan.at_severity(severity) for modality, plan in scenario.plans.items()}
    return scenario.model_copy(update={"plans": plans, "draws_as": scenario.draws_as or name})


def plan_sample(condition: Condition, sample: str, present: Iterable[str], epoch: int = 0) -> SamplePlan:
    """What happens to a sample, from its id alone: no signal is read.

    present: the modalities the sample has.  epoch: 0 for what is written and evaluated; training may draw afresh.
    """
    plans = {
        modality: condition.scenario.plans[modality] for modality in present if modality in condition.scenario.plans
    }
    missing = _missing(condition, plans, sample, set(present), epoch)
    ops = {
        modality: _ops(condition, plan, modality, sample, epoch)
        for modality, plan in plans.items()
        if modality not in missing
    }
    return SamplePlan(condition, sample, epoch, missing, ops)


def _missing(
    condition: Condition, plans: Mapping[str, Plan], sample: str, present: set[str], epoch: int
) -> frozenset[str]:
    """Modalities that go. Nested across rates; a sample keeps one, unless what it has is missing by order."""
    purpose = MISSING if epoch == 0 else f"{MISSING} {epoch}"
    drawn = {
        modality: uniform_for(seed=condition.seed, purpose=purpose, sample=sample, modality=modality)
        for modality, plan in plans.items()
    }
    missing = {modality for modality, u in drawn.items() if u < plans[modality].missing_rate}
    chosen_by_rate = {modality for modality in missing if plans[modality].missing_rate < 1.0}
    if missing == present and chosen_by_rate:
        # the same one stays at every rate, so that the sets remain nested
        missing.remove(max(chosen_by_rate, key=lambda modality: drawn[modality]))
    return frozenset(missing)


def _ops(condition: Condition, plan: Plan, modality: str, sample: str, epoch: int) -> tuple[tuple[Op, int | None], ...]:
    ops = plan.chain
    if plan.any_of:
        rng = rng_for(
            seed=condition.seed, scenario=condition.draws_as, sample=sample, modality=modality, op="any_of", epoch=epoch
        )
        ops = (plan.any_of[rng.integers(len(plan.any_of))],)
    return tuple((op, None if op.level is not None else op.severity or plan.severity) for op in ops)


def corrupt(plan: SamplePlan, signals: Mapping[str, Signal]) -> tuple[dict[str, Signal | None], dict[str, Any]]:
    """Carry out a plan.

    signals: audio float32 [samples], image uint8 [H, W, 3]; only those that ops act on are needed.  Returns the
    signals, None where missing and the same object where untouched, quantised as they would be on disk; and the
    record that re-creates them, empty where nothing was done.
    """
    results: dict[str, Signal | None] = dict(signals) | dict.fromkeys(plan.missing)
    done: dict[str, Any] = dict.fromkeys(sorted(plan.missing), MISSING)
    for modality, ops in plan.ops.items():
        if ops:
            results[modality], done[modality] = _corrupt_one(plan, modality, signals[modality])
    if not done:
        return results, {}
    key = plan.condition
    drawn = {"scenario": key.draws_as, "seed": key.seed} | ({"epoch": plan.epoch} if plan.epoch else {})
    return results, drawn | done


def _corrupt_one(plan: SamplePlan, modality: str, signal: Signal) -> tuple[Signal, list[dict[str, Any]]]:
    key, original, steps = plan.condition, signal, []
    for index, (op, severity) in enumerate(plan.ops[modality]):
        level = op.level if op.level is not None else op.corruption.level(severity or 0, signal)
        rng = rng_for(
            seed=key.seed, scenario=key.draws_as, sample=plan.sample, modality=modality, op=index, epoch=plan.epoch
        )
        signal = op.corruption.apply(signal, level, rng)
        step: dict[str, Any] = {"op": op.name, "version": op.corruption.version, op.corruption.parameter: level}
        steps.append(step if severity is None else step | {"severity": severity})
    if modality == "audio":
        signal, gain = quantise_audio(signal)
        if gain != 1.0:
            steps[-1]["gain"] = gain
    if np.array_equal(signal, original):
        steps[-1]["unchanged"] = True  # a silent clip under noise, a shift by nothing
        return original, steps
    return signal, steps
