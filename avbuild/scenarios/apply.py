"""From (scenario, sample id) to the exact plan for that sample, and from the plan to the corrupted signals."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avbuild.corruptions import MISSING
from avbuild.corruptions.missing import PROTOCOLS
from avbuild.corruptions.registry import MISSING_RATES, Domain
from avbuild.errors import UserError
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.noise_clips import noise_clips
from avbuild.scenarios.op_spec import Op
from avbuild.scenarios.seeding import rng_for, uniform_for
from avbuild.scenarios.spec import ModalityPlan, Scenario


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

    def fill(self, modality: str) -> str:
        """What stands in place of a modality that goes."""
        return self.condition.scenario.fill(modality)

    def reads(self, modality: str) -> bool:
        """Whether the signal is needed to carry this out."""
        if modality in self.missing:
            return self.fill(modality) != "null"
        return any(op.corruption.domain == "signal" for op, _ in self.ops.get(modality, ()))

    def feature_ops(self, modality: str) -> bool:
        """Whether something is to happen to what the front end makes of it."""
        return any(op.corruption.domain == "feature" for op, _ in self.ops.get(modality, ()))


def condition(manifest: Manifest, name: str) -> Condition:
    """One scenario of a manifest, ready to plan with."""
    scenario = manifest.scenarios[name]
    return Condition(scenario, scenario.draws_as or name, manifest.scenario_seed(name))


def at_severity(scenario: Scenario, name: str, severity: int) -> Scenario:
    """The scenario called `name` with all its ops at one severity, drawing the same noise, only stronger or weaker."""
    plans = {modality: plan.at_severity(severity) for modality, plan in scenario.plans.items()}
    missing = scenario.missing and scenario.missing.model_copy(update={"rate": MISSING_RATES[severity - 1]})
    update = {"plans": plans, "missing": missing, "draws_as": scenario.draws_as or name}
    return scenario.model_copy(update=update)


def plan_sample(condition: Condition, sample: str, present: Iterable[str], epoch: int = 0) -> SamplePlan:
    """What happens to a sample, from its id alone: no signal is read.

    present: the modalities the sample has.  epoch: 0 for what is written and evaluated; training may draw afresh.
    """
    plans = {
        modality: condition.scenario.plans[modality] for modality in present if modality in condition.scenario.plans
    }
    there = [modality for modality in MODALITIES if modality in set(present)]
    missing = _missing(condition, plans, sample, there, epoch)
    ops = {
        modality: _ops(condition, plan, modality, sample, epoch)
        for modality, plan in plans.items()
        if modality not in missing
    }
    return SamplePlan(condition, sample, epoch, missing, ops)


def _missing(
    condition: Condition, plans: Mapping[str, ModalityPlan], sample: str, present: Sequence[str], epoch: int
) -> frozenset[str]:
    """Modalities that go. Nested across rates; a sample keeps one, unless what it has is missing by order."""
    purpose = MISSING if epoch == 0 else f"{MISSING} {epoch}"
    if protocol := condition.scenario.missing:

        def draw(what: str) -> float:
            return uniform_for(seed=condition.seed, purpose=f"{purpose} {protocol.protocol} {what}", sample=sample)

        return PROTOCOLS[protocol.protocol].choose(draw, tuple(present), protocol.rate)
    drawn = {
        modality: uniform_for(seed=condition.seed, purpose=purpose, sample=sample, modality=modality)
        for modality, plan in plans.items()
    }
    missing = {modality for modality, u in drawn.items() if u < plans[modality].missing_rate}
    chosen_by_rate = {modality for modality in missing if plans[modality].missing_rate < 1.0}
    if missing == set(present) and chosen_by_rate:
        # the same one stays at every rate, so that the sets remain nested
        missing.remove(max(chosen_by_rate, key=lambda modality: drawn[modality]))
    return frozenset(missing)


def _ops(
    condition: Condition, plan: ModalityPlan, modality: str, sample: str, epoch: int
) -> tuple[tuple[Op, int | None], ...]:
    ops = plan.chain
    if plan.any_of:
        rng = rng_for(
            seed=condition.seed, scenario=condition.draws_as, sample=sample, modality=modality, op="any_of", epoch=epoch
        )
        ops = (plan.any_of[rng.integers(len(plan.any_of))],)
    return tuple((op, None if op.level is not None else op.severity or plan.severity) for op in ops)


def corrupt(plan: SamplePlan, signals: Mapping[str, Signal]) -> tuple[dict[str, Signal | None], dict[str, Any]]:
    """Carry out a plan on the signals of a sample; ops on features are left to `corrupt_features`.

    signals: audio float32 [samples], image uint8 [H, W, 3], video uint8 [F, H, W, 3]; only those that `plan.reads` are
    needed.  Returns the signals, None where missing and the same object where untouched, quantised as they would be on
    disk; and the record that re-creates them, empty where nothing was done.  Raises UserError for NaN or infinite
    samples.
    """
    results: dict[str, Signal | None] = dict(signals)
    done: dict[str, Any] = {}
    for modality in sorted(plan.missing):
        what = plan.fill(modality)
        if what == "null":
            results[modality], done[modality] = None, MISSING
        else:
            results[modality] = _filled(plan, modality, signals[modality], what)
            done[modality] = {MISSING: what}
    for modality in plan.ops:
        if plan.reads(modality):
            _check_finite(plan, modality, signals[modality])
            results[modality], done[modality] = _corrupt_one(plan, modality, signals[modality])
    if not done:
        return results, {}
    key = plan.condition
    drawn = {"scenario": key.draws_as, "seed": key.seed} | ({"epoch": plan.epoch} if plan.epoch else {})
    return results, drawn | done


def corrupt_features(plan: SamplePlan, modality: str, features: Signal) -> Signal:
    """The plan's ops on what a front end made of a modality.

    features: audio float32 [frames, bins], image float32 [3, H, W], video float32 [F, 3, H, W], each of its frames
    changed alike.  Returns the same shape.
    """
    record = MODALITIES[modality]
    return record.join([_features_of_one(plan, modality, frame) for frame in record.frames(features)])


def _features_of_one(plan: SamplePlan, modality: str, features: Signal) -> Signal:
    for _, op, level, rng in _steps(plan, modality, "feature", features):
        features = op.corruption.apply(features, level, rng)
    return features


def _steps(
    plan: SamplePlan, modality: str, domain: Domain, signal: Signal
) -> Iterator[tuple[int | None, Op, tuple[float, ...], np.random.Generator]]:
    """The ops of one domain in their order: severity, op, level, generator."""
    key = plan.condition
    for index, (op, severity) in enumerate(plan.ops[modality]):
        if op.corruption.domain == domain:
            level = tuple(op.level.values()) if op.level is not None else op.corruption.level(severity or 0, signal)
            rng = rng_for(
                seed=key.seed, scenario=key.draws_as, sample=plan.sample, modality=modality, op=index, epoch=plan.epoch
            )
            yield severity, op, level, rng


def _corrupt_one(plan: SamplePlan, modality: str, signal: Signal) -> tuple[Signal, list[dict[str, Any]]]:
    original, record = signal, MODALITIES[modality]
    # every frame has generators of its own that start alike, so that an occlusion stays where it is
    frames = [_changed(plan, modality, frame) for frame in record.frames(signal)]
    signal, steps = record.join([frame for frame, _ in frames]), frames[0][1]
    signal, gain = record.quantise(signal)
    if gain != 1.0:
        steps[-1]["gain"] = gain
    if np.array_equal(signal, original):
        steps[-1]["unchanged"] = True  # a silent clip under noise, a shift by nothing
        return original, steps
    return signal, steps


def _changed(plan: SamplePlan, modality: str, signal: Signal) -> tuple[Signal, list[dict[str, Any]]]:
    """A sound, a picture or one frame after all its ops, and what they were."""
    steps = []
    for severity, op, level, rng in _steps(plan, modality, "signal", signal):
        resources = {} if op.clips is None else {"clips": noise_clips(op.clips)}
        signal = op.corruption.apply(signal, level, rng, **resources)
        step: dict[str, Any] = {"op": op.name, "version": op.corruption.version}
        step |= dict(zip(op.corruption.parameters, level, strict=True))
        step |= {} if severity is None else {"severity": severity}
        steps.append(step | ({} if op.clips is None else {"clips": op.clips}))
    return signal, steps


def _filled(plan: SamplePlan, modality: str, signal: Signal, what: str) -> Signal:
    key, record = plan.condition, MODALITIES[modality]

    def fill(frame: Signal) -> Signal:
        rng = rng_for(
            seed=key.seed, scenario=key.draws_as, sample=plan.sample, modality=modality, op="fill", epoch=plan.epoch
        )
        return record.fill_one(frame, what, rng)

    return record.quantise(record.join([fill(frame) for frame in record.frames(signal)]))[0]


def _check_finite(plan: SamplePlan, modality: str, signal: Signal) -> None:
    if not np.isfinite(signal).all():
        raise UserError(f"sample {plan.sample}: its {modality} holds NaN or infinite values; leave its source out")
