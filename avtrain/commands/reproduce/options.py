"""Options that the commands of `avtrain reproduce` share, and the functions that interpret them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from avtrain.commands.options import expand, set_option

if TYPE_CHECKING:
    from avbuild.scenarios.manifest import Manifest
    from avtrain.device import Machine
    from avtrain.reproduction.plan import ReproductionPlan

Manifests = Annotated[list[str], typer.Argument(help="Manifests, e.g. manifests/urbansound8kav.yaml.")]
Seeds = Annotated[str, typer.Option(help="Seeds, one run for each.")]
Overrides = Annotated[list[str] | None, set_option("backbone.vision=FILE, for every run")]
Settings = Annotated[
    Path | None,
    typer.Option(help="YAML file: METHOD: {lr: 0.001, epochs: 20, method_options: {length: 16}}.", callback=expand),
]
Out = Annotated[
    Path, typer.Option(help="Folder of the runs (in runs/) and of the table as Markdown and JSON.", callback=expand)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the runs and make none.")]


class ComputeOptions(NamedTuple):
    """The device, precision and resume mode of all runs."""

    machine: "Machine"
    precision: str  # fp32 or bf16
    resume: str  # auto, restart or never


def compute_options(device: str, precision: str, resume: str, workers: int, cache: Path | None) -> ComputeOptions:
    """Check the options of that name, and return them for the plan.

    Args:
        device: value of `--device`.
        precision: value of `--precision`.
        resume: value of `--resume`.
        workers: number of processes that load data.
        cache: folder for the features of frozen backbones; None: they are not kept.

    Raises UsageError.
    """
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.training.start import check_resume

    check_resume(resume)
    where = pick_device(device)
    return ComputeOptions(Machine(where, workers, cache), pick_precision(precision, where), resume)


def load_manifests(paths: list[str]) -> "list[Manifest]":
    """Read manifests.  Raises UsageError where one is not valid."""
    from avbuild.scenarios.manifest_file import load_manifest

    return [load_manifest(path) for path in paths]


def shared_fit_options(
    backbone: str, compute: ComputeOptions, overrides: list[str] | None, epochs: int | None = None
) -> dict[str, Any]:
    """Return the options of `avtrain fit` that are the same for every run.

    Args:
        backbone: name of the backbone.
        compute: from `compute_options`.
        overrides: values of `--set`; they replace the others.
        epochs: number of epochs; None: each method's own.
    """
    from avtrain.training.options import parse_settings

    given = {"backbone": backbone, "precision": compute.precision, "epochs": epochs}
    return given | parse_settings(overrides or [])


def method_settings(path: Path | None) -> dict[str, dict[str, Any]]:
    """Read the file of `--settings`: method or system -> its options.  Raises UsageError where it is not valid."""
    from avtrain.reproduction.fit_options import read_settings

    return {} if path is None else read_settings(path)


def make_runs(plan: "ReproductionPlan", compute: ComputeOptions, dry_run: bool) -> bool:
    """Train and score the runs of a plan, or only list them.

    Args:
        plan: from `make_plan`.
        compute: from `compute_options`.
        dry_run: list the runs and make none.

    Returns whether the runs are there.
    """
    from avtrain.reproduction.run import builds, reproduce

    if dry_run:
        for planned in plan.runs:
            typer.echo(str(planned))
        typer.echo(f"{len(plan.runs)} runs; nothing was made")
        return False
    builds(plan)  # raises now where a data set is missing, not after hours
    reproduce(plan, compute.machine, compute.resume, typer.echo)
    return True
