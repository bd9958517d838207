"""The conditions of a test: scenarios of the run's manifest, the same at other severities, or another manifest's."""

import fnmatch
from dataclasses import dataclass

from avbuild.errors import UsageError
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import at_severity
from avtrain.evaluation.predictions import condition_file


@dataclass(frozen=True)
class EvalRequest:
    """The conditions that the user of `avtrain eval` asks for.

    Attributes:
        scenarios: names or patterns such as D*.
        severities: 1 to 5; each corrupted scenario is scored at these too.
        manifest: scenarios are taken from it instead of the run's own manifest.
        data: place of the data set, where it was moved or copied since the training.
    """

    scenarios: tuple[str, ...] = ("*",)
    severities: tuple[int, ...] = ()
    manifest: Manifest | None = None
    data: str | None = None


@dataclass(frozen=True)
class EvalCondition:
    """One scenario that a run is scored under.

    Attributes:
        name: such as D-severity5.
        base: scenario that it is made from, such as D.
        severity: 0 for clean data; None where it is as the manifest defines it.
        manifest: the tested one with this scenario in place of `base`, so that `oracle` uses the prompts of `base`.
        listed: whether the tested manifest has a scenario of this name.
        other: name of the manifest that it comes from; None for the run's own.
    """

    name: str
    base: str
    severity: int | None
    manifest: Manifest
    listed: bool
    other: str | None

    def file(self, inference: str | None) -> str:
        """Return the path of its scores in a run's folder.

        Args:
            inference: mode; None for a method without inference modes.
        """
        return condition_file(self.name, self.other, inference)

    @property
    def position(self) -> int:
        """Return the place of the scenario in its manifest, from 0; a severity has that of its base."""
        return list(self.manifest.scenarios).index(self.name)


def manifest_under_test(own: Manifest, request: EvalRequest) -> Manifest:
    """Return the run's manifest with the scenarios to test: its own, or those of another manifest that are new to it.

    Data, split and its seed stay the run's, so that no training sample is tested; a scenario keeps the seed of its own
    manifest.

    Args:
        own: the manifest that the run was trained on.
        request: may name another manifest.

    Raises:
        UsageError: the other manifest is on another data set, or has no new scenario.
    """
    other = request.manifest
    if other is None:
        return own
    if other.dataset.rstrip("/") != own.dataset.rstrip("/"):
        raise UsageError(
            f"--manifest {other.name} is on {other.dataset}, but the run was trained on {own.dataset}; "
            "corruptions can only be compared on the same data: name the run's data set with --data, or write the "
            "scenarios in a manifest on it"
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


def conditions_to_test(tested: Manifest, request: EvalRequest) -> list[EvalCondition]:
    """Return the conditions of a request: each scenario, followed by its severities.

    A scenario of the manifest that is named like a severity, such as D-severity5, is that severity.

    Args:
        tested: by `manifest_under_test`.
        request: patterns and severities.

    Raises:
        UsageError: a pattern fits no scenario, or a scenario named like a severity is something else.
    """
    found: dict[str, EvalCondition] = {}
    for base in _matching(request, tested):
        scenario = tested.scenarios[base]
        found.setdefault(base, _condition(tested, request, base, base, 0 if scenario.clean else None))
        if scenario.clean or scenario.draws_as:  # a scenario that draws as another is that one at some severity
            continue
        for severity in request.severities:
            name = f"{base}-severity{severity}"  # named and drawn as by avbuild corrupt --severity
            found[name] = _condition(tested, request, name, base, severity)
    return list(found.values())


def _condition(tested: Manifest, request: EvalRequest, name: str, base: str, severity: int | None) -> EvalCondition:
    scenario = at_severity(tested.scenarios[base], base, severity) if severity else tested.scenarios[base]
    other = request.manifest.name if request.manifest else None
    listed = name in tested.scenarios
    replaced = name if listed else base
    scenarios = {
        name if key == replaced else key: scenario if key == replaced else spec
        for key, spec in tested.scenarios.items()
    }
    manifest = tested.model_copy(update={"scenarios": scenarios})
    if listed and manifest.scenario_hash(name) != tested.scenario_hash(name):
        raise UsageError(
            f"manifest {other or tested.name}: its {name} is not {base} at severity {severity}; give it another name"
        )
    return EvalCondition(name, base, severity, manifest, listed, other)


def _matching(request: EvalRequest, tested: Manifest) -> list[str]:
    names = list(tested.scenarios)
    if unknown := [pattern for pattern in request.scenarios if not fnmatch.filter(names, pattern)]:
        where = f"manifest {request.manifest.name}" if request.manifest else "this run's manifest"
        new = "; new to this run are" if request.manifest else "; it has"
        raise UsageError(f"no scenario {', '.join(unknown)} in {where}{new} {', '.join(names)}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in request.scenarios)]
