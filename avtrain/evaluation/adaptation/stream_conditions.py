"""The conditions of streams: those of `avtrain eval`, and of another manifest also what the run was trained on."""

import fnmatch
from dataclasses import replace

from avbuild.errors import UsageError
from avbuild.scenarios.manifest import Manifest
from avtrain.evaluation.conditions import EvalCondition, EvalRequest, conditions_to_test, manifest_under_test


def stream_conditions(own: Manifest, request: EvalRequest) -> list[EvalCondition]:
    """Return the conditions of a request; of another manifest also those that the run was trained on.

    Args:
        own: the manifest that the run was trained on.
        request: may name another manifest.

    Raises:
        UsageError: the request fits no condition.
    """
    other = request.manifest
    if other is None:
        return conditions_to_test(own, request)
    hashes = {other.scenario_hash(name) for name in other.scenarios}
    trained = {name: spec for name, spec in own.scenarios.items() if own.scenario_hash(name) in hashes}
    parts = []
    if trained:
        parts.append((own.model_copy(update={"scenarios": trained}), replace(request, manifest=None)))
    if not trained or len(trained) < len(other.scenarios):
        parts.append((manifest_under_test(own, request), request))
    names = [name for tested, _ in parts for name in tested.scenarios]
    if unknown := [pattern for pattern in request.scenarios if not fnmatch.filter(names, pattern)]:
        raise UsageError(f"no scenario {', '.join(unknown)} in manifest {other.name}; it has {', '.join(names)}")
    found = []
    for tested, asked in parts:
        patterns = tuple(pattern for pattern in request.scenarios if fnmatch.filter(list(tested.scenarios), pattern))
        if patterns:
            found += conditions_to_test(tested, replace(asked, scenarios=patterns))
    return found
