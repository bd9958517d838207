"""A run that is opened for an evaluation, and the place of its data set, which may have been moved since."""

from dataclasses import replace

from avbuild.dataset.splits import SPLITS
from avbuild.scenarios.manifest import Manifest, SplitSpec
from avtrain.config import RunConfig
from avtrain.data.shards import at_place, content_of
from avtrain.device import Machine
from avtrain.evaluation.conditions import EvalRequest
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_finished, require_same_data, require_unchanged_plugins


def open_run(run: Run, request: EvalRequest, machine: Machine) -> tuple[RunConfig, EvalRequest, Machine]:
    """Check that a run can be evaluated here, and find its data set.

    Args:
        run: to evaluate.
        request: as for `locate_data`.
        machine: where it is computed.

    Returns:
        The run's configuration, whose manifest says where the data are; the request by `locate_data`; and the machine
        that knows the run.

    Raises:
        UserError: the run is not finished, or its plug-ins or data have changed.
    """
    require_finished(run)
    config = run.config()
    require_unchanged_plugins(run, config.plugins)
    located, request = locate_data(run, config.manifest, request)
    return config.model_copy(update={"manifest": located}), request, replace(machine, run=run.folder)


def locate_data(run: Run, own: Manifest, request: EvalRequest) -> tuple[Manifest, EvalRequest]:
    """Find a run's data set: where `--data` says, where it was at the training, or where another manifest has it.

    Args:
        run: finished.
        own: manifest that it was trained on.
        request: may name another place, or another manifest.

    Returns:
        The run's manifest, and the request whose manifest is on the same place; without a manifest where the request's
        has no scenario that is new to the run and only says where the data are.

    Raises:
        UserError: the rows there are not those of the training.
    """
    found = at_place(own, request.data)
    other = None if request.manifest is None else at_place(request.manifest, request.data)
    moved = other is not None and not _contents(found) and bool(_contents(other))
    if moved and other is not None:
        found = at_place(own, other.dataset)
    require_same_data(run, found)
    if other is None:
        return found, request
    if moved and {other.scenario_hash(name) for name in other.scenarios} <= _hashes(found):
        return found, replace(request, manifest=None)
    if other.dataset != found.dataset and _contents(other) == _contents(found) != {}:
        other = other.model_copy(update={"dataset": found.dataset})
    return found, replace(request, manifest=other)


def _contents(manifest: Manifest) -> dict[str, str]:
    """Return the digest of each split as the data set was built; empty where it is not there."""
    return dict(content_of(manifest.model_copy(update={"split": SplitSpec()}), SPLITS))


def _hashes(manifest: Manifest) -> set[str]:
    return {manifest.scenario_hash(name) for name in manifest.scenarios}
