"""Plan a sample: from scenario and sample id to what goes missing and which ops act, without reading a signal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avbuild.corruptions import MISSING
from avbuild.corruptions.missing import PROTOCOLS
from avbuild.corruptions.registry import MISSING_RATES
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.op_spec import Op
from avbuild.scenarios.seeding import rng_for, uniform_for
from avbuild.scenarios.spec import ModalityPlan, Scenario


@dataclass(frozen=True)
class Condition:
    """A scenario with everything that its random draws depend on."""

    scenario: Scenario
    draws_as: str  # the scenario name that enters the seeds: D at severity 5 draws as D does
    seed: int


@dataclass(frozen=True)
class SamplePlan:
    """The plan for one sample: the modalities that go missing, and the ops that act on the others, with severities."""

    condition: Condition
    sample: str  # its id
    epoch: int
    missing: frozenset[str]
    ops: Mapping[str, tuple[tuple[Op, int | None], ...]]  # modality -> (op, severity; None where the op has a level)

    def fill(self, modality: str) -> str:
        """Return what replaces a modality that goes missing: null, zeros, mean or noise."""
        return self.condition.scenario.fill(modality)

    def reads(self, modality: str) -> bool:
        """Whether the signal of a modality is needed to execute the plan."""
        if modality in self.missing:
            return self.fill(modality) != "null"
        return any(op.corruption.domain == "signal" for op, _ in self.ops.get(modality, ()))

    def feature_ops(self, modality: str) -> bool:
        """Whether the plan has ops for the front-end features of a modality."""
        return any(op.corruption.domain == "feature" for op, _ in self.ops.get(modality, ()))


def condition(manifest: Manifest, name: str) -> Condition:
    """Return a scenario of a manifest as a condition to plan samples with."""
    scenario = manifest.scenarios[name]
    return Condition(scenario, scenario.draws_as or name, manifest.scenario_seed(name))


def at_severity(scenario: Scenario, name: str, severity: int) -> Scenario:
    """Return a scenario with all its ops at one severity; its random draws stay the same.

    Args:
        scenario: to change.
        name: of the scenario, which enters the seeds.
        severity: 1 to 5.
    """
    plans = {modality: plan.at_severity(severity) for modality, plan in scenario.plans.items()}
    missing = scenario.missing and scenario.missing.model_copy(update={"rate": MISSING_RATES[severity - 1]})
    update = {"plans": plans, "missing": missing, "draws_as": scenario.draws_as or name}
    return scenario.model_copy(update=update)


def plan_sample(condition: Condition, sample: str, present: Iterable[str], epoch: int = 0) -> SamplePlan:
    """Plan what happens to a sample, from its id alone.

    Args:
        condition: scenario and seed.
        sample: id of the sample.
        present: modalities that the sample has.
        epoch: 0 for what is written to disk and evaluated; training may draw afresh in each epoch.
    """
    plans = {
        modality: condition.scenario.plans[modality] for modality in present if modality in condition.scenario.plans
    }
    ordered = [modality for modality in MODALITIES if modality in set(present)]
    missing = _missing(condition, plans, sample, ordered, epoch)
    ops = {
        modality: _ops(condition, plan, modality, sample, epoch)
        for modality, plan in plans.items()
        if modality not in missing
    }
    return SamplePlan(condition, sample, epoch, missing, ops)


def _missing(
    condition: Condition, plans: Mapping[str, ModalityPlan], sample: str, present: Sequence[str], epoch: int
) -> frozenset[str]:
    """Return the modalities that go missing; those at one rate are among those at every higher rate.

    A sample keeps at least one modality, unless all it has are declared `missing` outright.
    """
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
        # keep the same modality at every rate, so that the sets remain nested
        missing.remove(max(chosen_by_rate, key=lambda modality: drawn[modality]))
    return frozenset(missing)


def _ops(
    condition: Condition, plan: ModalityPlan, modality: str, sample: str, epoch: int
) -> tuple[tuple[Op, int | None], ...]:
    """Return the ops that act on a modality, each with its severity; one is drawn from `any_of`."""
    ops = plan.chain
    if plan.any_of:
        rng = rng_for(
            seed=condition.seed, scenario=condition.draws_as, sample=sample, modality=modality, op="any_of", epoch=epoch
        )
        ops = (plan.any_of[rng.integers(len(plan.any_of))],)
    return tuple((op, None if op.level is not None else op.severity or plan.severity) for op in ops)
