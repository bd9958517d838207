"""Starting a run: begin it, continue it, report that it is finished, or refuse it; and the weights it starts from."""

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from avbuild.dataset.storage import writing
from avbuild.errors import UsageError, UserError, listed
from avbuild.scenarios.recorded_plugins import require_plugins
from avtrain.config import SELECTED_ON_TEST, RunConfig
from avtrain.data.fingerprints import digest_weights
from avtrain.data.regimes import train_scenarios
from avtrain.data.shards import content_of
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, is_rank0
from avtrain.methods.registry import merged_weights
from avtrain.runs.folder import Run
from avtrain.runs.guards import (
    comparable,
    require_same_configuration,
    require_same_data,
    require_same_plugins,
    require_unchanged_plugins,
)
from avtrain.runs.layout import run_folder
from avtrain.runs.lock import locked
from avtrain.runs.masks import read_masks
from avtrain.runs.search import find_runs, is_run
from avtrain.training.checkpoint import INITIAL_WEIGHTS
from avtrain.training.loop import fit
from avtrain.training.masks import mask_lines
from avtrain.training.options import checked_options, with_defaults

RESUME = ("auto", "restart", "never")
RunStatus = Literal["new", "continued", "restarted", "finished"]


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
        Lines for the user: the accuracy that was reached, and what was missing.

    Raises:
        UsageError: the run cannot start from `init_from`.
        UserError: the folder holds another run, another process trains it, or training fails.
    """
    config = with_defaults(config.with_plugins())
    require_plugins(config.manifest.scenarios[name] for name in train_scenarios(config.fit, config.manifest))
    run = Run(folder, writes=is_rank0())
    with locked(folder) if run.writes else nullcontext():
        return _fit_locked(run, config, machine, resume, init_from, trackers)


def _fit_locked(
    run: Run, config: RunConfig, machine: Machine, resume: str, init_from: Path | None, trackers: Sequence[str]
) -> str:
    if message := broadcast_from_rank0(lambda: _prepare_folder(run, config, resume, init_from)):
        return message
    if broadcast_from_rank0(config.as_yaml) != config.as_yaml():
        raise UserError(f"{run}: the nodes were given different options or manifests; start the same command on each")
    initial = None if init_from is None else _initial_weights(init_from, config)
    result = fit(run, config, machine, initial, trackers)
    reached = f"{_selection_label(config)} {result['validation']:.3f}"
    first = (
        f"{run}: {reached} in epoch {result['best_epoch']} of {config.fit.epochs}, "
        f"{result['trainable_parameters']:,} of {result['parameters']:,} parameters trained"
    )
    return "\n".join([first, *(mask_lines(read_masks(run), config.manifest) if run.writes else ())])


def _prepare_folder(run: Run, config: RunConfig, resume: str, init_from: Path | None) -> str:
    """Check what the folder holds, and empty it for a restart; returns a message where the run is finished."""
    run.remove_abandoned(nobody_else_writes=True)
    status = run_status(run, config, resume, init_from)
    if status == "restarted":
        _empty(run.folder)
    if status == "finished":
        existing = run.config()
        moved = config.model_copy(update={"defaults": existing.defaults})
        if moved != existing:  # the same data and weights, at another place
            run.write_config(moved)
        return f"{run}: finished already, {_selection_label(config)} {run.read_json('result.json')['validation']:.3f}"
    return ""


def run_status(run: Run, config: RunConfig, resume: str, init_from: Path | None) -> RunStatus:
    """Return what starting a run would do, and change nothing.

    Args:
        run: the folder.
        config: asked for.
        resume: value of --resume.
        init_from: place of the initial weights.

    Raises:
        UserError: the folder holds another run, or one that was trained on other data.
    """
    if not run.begun:
        return "new"
    if resume == "never":
        raise UserError(f"{run}: holds a run already; --resume auto finishes it, restart begins anew, --name moves it")
    if resume == "restart":
        return "restarted"
    check_same(run, config, init_from)
    if run.finished:
        require_same_data(run, config.manifest)
        return "finished"
    return "continued"


def check_same(run: Run, config: RunConfig, init_from: Path | None) -> None:
    """Refuse to continue a run that was begun with another configuration.

    Data and initial weights are told by their content, so they may have been moved since.

    Args:
        run: begun.
        config: asked for now.
        init_from: place of the initial weights now.

    Raises:
        UserError: names every value that differs.
    """
    existing = run.config()
    require_unchanged_plugins(run, existing.plugins)
    before, asked = existing.fit.model_dump(), config.fit.model_dump()
    if (existing.fit.method, existing.fit.backbone) == (config.fit.method, config.fit.backbone):
        before, asked = _with_every_option(existing), _with_every_option(config)
    if init_from is not None and _same_initial_weights(run, existing, config, init_from):
        del before["init_from"], asked["init_from"]
    others = ({"folds": existing.folds}, {"folds": config.folds})
    manifests = (comparable(existing.manifest), comparable(config.manifest))
    require_same_configuration(run, [(before, asked), manifests, others], holds="a run", choose="--name or --out")


def _with_every_option(config: RunConfig) -> dict[str, Any]:
    """Return the fit of a configuration, with every option of its method and backbone, given or not."""
    described = config.fit.model_dump(exclude={"method_options", "backbone_options"})
    for owner, options in zip(("method", "backbone"), checked_options(config), strict=True):
        described |= {f"{owner}.{key}": value for key, value in options.items()}
    return described


def _same_initial_weights(run: Run, existing: RunConfig, config: RunConfig, init_from: Path) -> bool:
    """Whether a run at another place than the one recorded has the weights that this one started from."""
    if None in (existing.fit.init_from, config.fit.init_from) or existing.fit.init_from == config.fit.init_from:
        return False
    if run.finished:
        recorded = run.read_json("result.json").get("initial")
    elif (state := run.state()) is not None:
        recorded = state.get("fingerprints", {}).get(INITIAL_WEIGHTS)
    else:
        return True  # nothing was trained yet
    return recorded is not None and recorded == digest_weights(_initial_weights(init_from, config))


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
    run = find_initial_run(place, config)
    source = run.config()
    return merged_weights(source.fit.method, source.method_options, run.weights())


def find_initial_run(place: Path, config: RunConfig) -> Run:
    """Return the run of --init-from.

    Args:
        place: a run, or a folder of runs, of which the one with the same seed and fold is taken.
        config: of the run that starts from it.

    Raises:
        UsageError: there are several, or it cannot be started from.
        UserError: there is none, or it is not finished.
    """
    same_seed = run_folder(place, config.fit.seed, config.fold)
    found = [Run(same_seed)] if is_run(same_seed) else find_runs([place])
    if len(found) > 1:
        raise UsageError(
            f"--init-from {place}: holds {len(found)} runs and none is {same_seed.relative_to(place)}; name one\n"
            f"{listed(found)}"
        )
    run = found[0]
    if not run.finished:
        raise UserError(
            f"--init-from {run}: its training is not finished, so its weights are not its best yet; run the avtrain "
            "fit that began it again, then this command"
        )
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
    _refuse_tested_rows(run, config)
    return run


def _refuse_tested_rows(source: Run, config: RunConfig) -> None:
    """Refuse to start from a run on other rows of the same data set: they may be among those this run is tested on.

    Raises:
        UsageError: both split one data set differently.
    """
    before, asked = source.config().manifest, config.manifest
    trained_on = source.read_json("result.json").get("content", {})
    if not any(digest == trained_on.get(split) for split, digest in content_of(asked, ("train",)).items()):
        return  # on other data
    if before.split != asked.split or (asked.split.protocol != "default" and before.seed != asked.seed):
        raise UsageError(
            f"--init-from {source}: trained with the split {before.split.as_yaml()}, not {asked.split.as_yaml()}, so "
            "rows that this run is tested on may be among its training rows; start from a run on the same split"
        )
