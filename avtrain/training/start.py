"""Starting a run: begin it, continue it, report that it is finished, or refuse it; and the weights it starts from."""

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from torch import Tensor

from avbuild.dataset.storage import writing
from avbuild.errors import UsageError, UserError, listed
from avbuild.scenarios.recorded_plugins import require_plugins
from avtrain.config import SELECTED_ON_TEST, RunConfig
from avtrain.data.regimes import train_scenarios
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, is_rank0
from avtrain.methods.registry import merged_weights
from avtrain.runs.folder import Run
from avtrain.runs.guards import (
    require_same_configuration,
    require_same_data,
    require_same_plugins,
    require_unchanged_plugins,
)
from avtrain.runs.lock import locked
from avtrain.runs.search import find_runs, is_run
from avtrain.training.loop import fit

RESUME = ("auto", "restart", "never")


def check_resume(resume: str) -> None:
    """Check the value of --resume.

    Raises:
        UsageError: it is unknown.
    """
    if resume not in RESUME:
        raise UsageError(f"--resume {resume}: allowed are {', '.join(RESUME)}")


def fit_run(
    folder: Path,
    config: RunConfig,
    machine: Machine,
    resume: str,
    init_from: Path | None,
    trackers: Sequence[str] = (),
) -> str:
    """Train one run to its end, from wherever it is.

    Args:
        folder: of the run.
        config: of the run.
        machine: where it is computed.
        resume: `auto` continues a run of the same configuration, `restart` deletes it, `never` refuses it.
        init_from: run to start from, or a folder of runs, of which the one with the same seed is taken.
        trackers: hosted trackers, beside TensorBoard.

    Returns:
        A line for the user: the accuracy that was reached.

    Raises:
        UsageError: the run cannot start from `init_from`.
        UserError: the folder holds another run, another process trains it, or training fails.
    """
    config = config.with_plugins()
    require_plugins(config.manifest.scenarios[name] for name in train_scenarios(config.fit, config.manifest))
    run = Run(folder, writes=is_rank0())
    with locked(folder) if run.writes else nullcontext():
        return _fit_locked(run, config, machine, resume, init_from, trackers)


def _fit_locked(
    run: Run, config: RunConfig, machine: Machine, resume: str, init_from: Path | None, trackers: Sequence[str]
) -> str:
    if message := broadcast_from_rank0(lambda: _prepare_folder(run, config, resume)):
        return message
    if broadcast_from_rank0(config.as_yaml) != config.as_yaml():
        raise UserError(f"{run}: the nodes were given different options or manifests; start the same command on each")
    initial = None if init_from is None else _initial_weights(init_from, config)
    result = fit(run, config, machine, initial, trackers)
    reached = f"{_selection_label(config)} {result['validation']:.3f}"
    return (
        f"{run}: {reached} in epoch {result['best_epoch']} of {config.fit.epochs}, "
        f"{result['trainable_parameters']:,} of {result['parameters']:,} parameters trained"
    )


def _prepare_folder(run: Run, config: RunConfig, resume: str) -> str:
    """Check what the folder holds, and empty it for a restart; returns a message where the run is finished."""
    run.remove_abandoned()
    if run.begun and resume == "never":
        raise UserError(f"{run}: holds a run already; --resume auto finishes it, restart begins anew, --name moves it")
    if run.begun and resume == "restart":
        _empty(run.folder)
    if run.begun:
        existing = run.config()
        require_unchanged_plugins(run, existing.plugins)
        sections = [(existing.fit, config.fit), (existing.manifest, config.manifest)]
        compared = [(before.model_dump(), asked.model_dump()) for before, asked in sections]
        require_same_configuration(run, compared, holds="a run", choose="--name or --out")
    if run.finished:
        require_same_data(run, config.manifest)
        return f"{run}: finished already, {_selection_label(config)} {run.read_json('result.json')['validation']:.3f}"
    return ""


def _empty(folder: Path) -> None:
    """Delete what a run's folder holds, and leave the folder, which may be a symbolic link.

    The result goes first and the configuration last: stopped between, it is still a run, and not a finished one.
    """
    order = {"result.json": -1, "config.yaml": 1}
    with writing(folder):
        for path in sorted(folder.iterdir(), key=lambda path: order.get(path.name, 0)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _selection_label(config: RunConfig) -> str:
    return "validation" if config.fit.select_on == "validation" else f"{SELECTED_ON_TEST}:"


def _initial_weights(place: Path, config: RunConfig) -> dict[str, Tensor]:
    same_seed = place / f"seed{config.fit.seed}"
    found = [Run(same_seed)] if is_run(same_seed) else find_runs([place])
    if len(found) > 1:
        raise UsageError(
            f"--init-from {place}: holds {len(found)} runs and none is seed{config.fit.seed}; name one\n{listed(found)}"
        )
    run = found[0]
    config_there = run.config()
    require_same_plugins(run, config_there.model_plugins)
    source = config_there.fit
    if source.backbone != config.fit.backbone:
        raise UsageError(f"--init-from {run}: its backbone is {source.backbone}, not {config.fit.backbone}")
    if source.select_on == "test" and config.fit.select_on != "test":
        raise UsageError(
            f"--init-from {run}: {SELECTED_ON_TEST}, and so is every run that starts from it; start from a run "
            "selected on validation, or pass --select-on-test"
        )
    return merged_weights(source.method, source.method_options, run.weights())
