"""What runs are scored under: scenarios of their own manifest, the same at other severities, or another manifest's."""

import fnmatch
from dataclasses import dataclass

from avbuild.errors import UsageError
from avbuild.scenarios.apply import at_severity
from avbuild.scenarios.manifest import Manifest


@dataclass(frozen=True)
class EvalRequest:
    """What `avtrain eval` was asked for."""

    scenarios: tuple[str, ...] = ("*",)  # names or patterns such as D*
    severities: tuple[int, ...] = ()  # each scenario that is not clean is scored at these too
    manifest: Manifest | None = None  # its scenarios, in place of those of the run's own


@dataclass(frozen=True)
class TestCondition:
    """One scenario that a run is scored under."""

    name: str  # D-severity5
    base: str  # D
    severity: int | None  # 0 for clean data, None where it is as the manifest writes it
    manifest: Manifest  # the tested one, with this scenario in the place of `base`: an oracle is told what it knows
    listed: bool  # whether the tested manifest has a scenario of this name
    other: str | None  # the manifest it comes from, where that is not the run's own

    def file(self, inference: str | None) -> str:
        """Where in a run's folder its score is written."""
        folder = f"eval/{self.other}" if self.other else "eval"
        return f"{folder}/{self.name}{f'.{inference}' if inference else ''}.json"


def manifest_under_test(own: Manifest, asked: EvalRequest) -> Manifest:
    """The run's manifest with the scenarios it is to be scored under: its own, or what is new to it in another.

    The data, their split and its seed stay the run's, so that nothing it trained on is tested; a scenario keeps its
    own manifest's seed.  Raises UsageError where the other manifest is on other data, or has nothing new.
    """
    other = asked.manifest
    if other is None:
        return own
    if other.dataset.rstrip("/") != own.dataset.rstrip("/"):
        raise UsageError(
            f"--manifest {other.name} is on {other.dataset}, but the run was trained on {own.dataset}; "
            "other data are no test of other corruptions: write the scenarios in a manifest on the same data set"
        )
    seeded = {
        name: scenario.model_copy(update={"seed": other.scenario_seed(name)})
        for name, scenario in other.scenarios.items()
    }
    tested = own.model_copy(update={"scenarios": seeded})
    trained = {own.scenario_hash(name) for name in own.scenarios}
    new = {
        name: scenario
        for name, scenario in seeded.items()
        if not scenario.clean and tested.scenario_hash(name) not in trained
    }
    if not new:
        raise UsageError(f"--manifest {other.name}: the run's own manifest has all its scenarios; leave --manifest out")
    return own.model_copy(update={"scenarios": new})


def test_conditions(tested: Manifest, asked: EvalRequest) -> list[TestCondition]:
    """The scenarios asked for, each followed by its severities; what is named as a severity is, is that severity.

    tested: from `manifest_under_test`.  Raises UsageError for a pattern that fits no scenario.
    """
    found: dict[str, TestCondition] = {}
    for base in _matching(asked, tested):
        scenario = tested.scenarios[base]
        found.setdefault(base, _condition(tested, asked, base, base, 0 if scenario.clean else None))
        if scenario.clean or scenario.draws_as:  # what draws as another is that one at a severity or seed already
            continue
        for severity in asked.severities:
            name = f"{base}-severity{severity}"  # called and drawn as avbuild corrupt --severity does it
            found[name] = _condition(tested, asked, name, base, severity)
    return list(found.values())


def _condition(tested: Manifest, asked: EvalRequest, name: str, base: str, severity: int | None) -> TestCondition:
    scenario = at_severity(tested.scenarios[base], base, severity) if severity else tested.scenarios[base]
    other = asked.manifest.name if asked.manifest else None
    listed = name in tested.scenarios
    place = name if listed else base
    scenarios = {
        name if key == place else key: scenario if key == place else spec for key, spec in tested.scenarios.items()
    }
    manifest = tested.model_copy(update={"scenarios": scenarios})
    if listed and manifest.scenario_hash(name) != tested.scenario_hash(name):
        raise UsageError(
            f"manifest {other or tested.name}: its {name} is not {base} at severity {severity}; give it another name"
        )
    return TestCondition(name, base, severity, manifest, listed, other)


def _matching(asked: EvalRequest, tested: Manifest) -> list[str]:
    names = list(tested.scenarios)
    if unknown := [pattern for pattern in asked.scenarios if not fnmatch.filter(names, pattern)]:
        where = f"manifest {asked.manifest.name}" if asked.manifest else "this run's manifest"
        new = "; new to this run are" if asked.manifest else "; it has"
        raise UsageError(f"no scenario {', '.join(unknown)} in {where}{new} {', '.join(names)}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in asked.scenarios)]
