"""Whether a run begins, goes on, is finished already, or is refused; and where its backbone starts from."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from avbuild.errors import UsageError, UserError
from avtrain.config import SELECTED_ON_TEST, RunConfig
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, is_rank0
from avtrain.methods.registry import merged_weights
from avtrain.runs.folder import Run, find_runs
from avtrain.runs.guards import require_same_configuration, require_same_data
from avtrain.training.loop import fit

RESUME = ("auto", "restart", "never")


def check_resume(resume: str) -> None:
    """Raises UsageError for what `--resume` does not know."""
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
    """Train one run to its end, from where it is; returns a line that says how it went.

    resume: `auto` finishes what was begun with the same configuration, `restart` begins anew, `never` refuses what
    exists.  init_from: a run, or a folder of runs of which the one with the same seed is taken.
    trackers: beside TensorBoard.
    """
    run = Run(folder, writes=is_rank0())
    if said := broadcast_from_rank0(lambda: _prepare_folder(run, config, resume)):
        return said
    if broadcast_from_rank0(config.as_yaml) != config.as_yaml():
        raise UserError(f"{run}: the nodes were given different options or manifests; start the same command on each")
    initial = None if init_from is None else _initial_weights(init_from, config)
    result = fit(run, config, machine, initial, trackers)
    reached = f"{_selected(config)} {result['validation']:.3f}"
    return (
        f"{run}: {reached} in epoch {result['best_epoch']} of {config.fit.epochs}, "
        f"{result['trainable_parameters']:,} of {result['parameters']:,} parameters trained"
    )


def _prepare_folder(run: Run, config: RunConfig, resume: str) -> str:
    """Clear the way for a run, or refuse it; returns what there is to say where nothing is left to do."""
    if run.begun and resume == "never":
        raise UserError(f"{run}: holds a run already; --resume auto finishes it, restart begins anew, --name moves it")
    if run.begun and resume == "restart":
        shutil.rmtree(run.folder)
    if run.begun:
        there = run.config()
        parts = [(there.fit, config.fit), (there.manifest, config.manifest)]
        dumped = [(before.model_dump(), now.model_dump()) for before, now in parts]
        require_same_configuration(run, dumped, holds="a run", choose="--name or --out")
    if run.finished:
        require_same_data(run, config.manifest)
        return f"{run}: finished already, {_selected(config)} {run.read_json('result.json')['validation']:.3f}"
    return ""


def _selected(config: RunConfig) -> str:
    return "validation" if config.fit.select_on == "validation" else f"{SELECTED_ON_TEST}:"


def _initial_weights(place: Path, config: RunConfig) -> dict[str, Tensor]:
    own = place / f"seed{config.fit.seed}"
    run = Run(own) if own.is_dir() else find_runs([place])[0]
    there = run.config().fit
    if there.backbone != config.fit.backbone:
        raise UsageError(f"--init-from {run}: its backbone is {there.backbone}, not {config.fit.backbone}")
    if there.select_on == "test" and config.fit.select_on != "test":
        raise UsageError(
            f"--init-from {run}: {SELECTED_ON_TEST}, and what starts from it is so too; start from an honest run, "
            "or say --select-on-test"
        )
    return merged_weights(there.method, there.method_options, run.weights())
