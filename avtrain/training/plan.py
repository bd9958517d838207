"""The runs that one command trains: one for each seed and fold, and what starting them would do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.dataset.splits import Split
from avtrain.config import FitConfig, RunConfig, selection_suffix
from avtrain.data.shards import count_rows
from avtrain.runs.folder import Run
from avtrain.runs.layout import run_folder
from avtrain.training.start import find_initial_run, run_status

SAID = {
    "new": "would be trained",
    "continued": "would be continued",
    "restarted": "would be deleted and trained again",
    "finished": "is finished already",
}


@dataclass(frozen=True)
class PlannedFit:
    """A run to train.

    Attributes:
        folder: of the run.
        config: of the run.
    """

    folder: Path
    config: RunConfig


def default_name(config: RunConfig) -> str:
    """Return the name of the folder of runs that differ only in seed and fold."""
    fit = config.fit
    suffix = ("" if fit.train_on == "scenarios" else "-clean") + selection_suffix(fit.select_on)
    return f"{config.manifest.name}-{fit.method}-{fit.backbone}{suffix}{'-folds' if config.folds else ''}"


def planned_fits(name: Path, configs: Sequence[RunConfig], seeds: Sequence[int]) -> list[PlannedFit]:
    """Return one run for each configuration and seed, all seeds of one fold together.

    Args:
        name: folder of the runs.
        configs: one for each fold; a single one without a cross-validation.
        seeds: of the runs.
    """
    return [
        PlannedFit(run_folder(name, seed, config.fold), _with_seed(config, seed))
        for config in configs
        for seed in seeds
    ]


def describe_plan(planned: Sequence[PlannedFit], resume: str, init_from: Path | None) -> list[str]:
    """Return what training would do, one line a run, once everything it reads is checked; nothing is written.

    Args:
        planned: the runs.
        resume: value of --resume.
        init_from: place of the initial weights.

    Raises:
        UserError: a run could not be started.
    """
    lines = []
    counted: dict[tuple[int | None, Split], dict[Split, int]] = {}
    for fit in planned:
        status = run_status(Run(fit.folder), fit.config, resume, init_from)
        selects: Split = fit.config.fit.select_on
        if (fit.config.fold, selects) not in counted:
            counted[fit.config.fold, selects] = count_rows(fit.config.manifest, ["train", selects])
        counts = counted[fit.config.fold, selects]
        if init_from is not None and status != "finished":
            find_initial_run(init_from, fit.config)
        lines.append(
            f"{fit.folder}: {SAID[status]}; {fit.config.fit.epochs} epochs on {counts['train']:,} samples, best epoch "
            f"by {counts[selects]:,} of {selects}"
        )
    return lines


def _with_seed(config: RunConfig, seed: int) -> RunConfig:
    fit: FitConfig = config.fit.model_copy(update={"seed": seed})
    return config.model_copy(update={"fit": fit})
