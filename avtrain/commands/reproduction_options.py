"""What the commands that reproduce tables share: their options, and what is made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from avtrain.commands.run_options import set_option

if TYPE_CHECKING:
    from avbuild.scenarios.manifest import Manifest
    from avtrain.device import Machine
    from avtrain.reproduction.plan import ReproductionPlan

Manifests = Annotated[list[str], typer.Argument(help="Manifests, e.g. manifests/urbansound8kav.yaml.")]
Seeds = Annotated[str, typer.Option(help="One run each.")]
Overrides = Annotated[list[str] | None, set_option("backbone.vision=FILE, for every run")]
Settings = Annotated[
    Path | None, typer.Option(help="YAML: METHOD: {lr: 0.001, epochs: 20, method_options: {length: 16}}.")
]
Out = Annotated[Path, typer.Option(help="Folder that gets runs/ and the table as Markdown and JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the runs and make none.")]


class Computing(NamedTuple):
    """Where runs are made and how."""

    machine: "Machine"
    precision: str
    resume: str


def computing_on(device: str, precision: str, resume: str, workers: int, cache: Path | None) -> Computing:
    """From the options of a command line.  Raises UsageError."""
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.training.start import check_resume

    check_resume(resume)
    where = pick_device(device)
    return Computing(Machine(where, workers, cache), pick_precision(precision, where), resume)


def load_manifests(manifests: list[str]) -> "list[Manifest]":
    """Read them.  Raises UsageError."""
    from avbuild.scenarios.manifest_file import load_manifest

    return [load_manifest(path) for path in manifests]


def options_of_all(
    backbone: str, computing: Computing, overrides: list[str] | None, epochs: int | None = None
) -> dict[str, Any]:
    """Those of every run."""
    from avtrain.training.options import parse_settings

    given = {"backbone": backbone, "precision": computing.precision, "epochs": epochs}
    return given | parse_settings(overrides or [])


def settings_of_methods(path: Path | None) -> dict[str, dict[str, Any]]:
    """By method or system, from a file where one is given.  Raises UsageError."""
    from avtrain.reproduction.plan import read_settings

    return {} if path is None else read_settings(path)


def made(plan: "ReproductionPlan", computing: Computing, dry_run: bool) -> bool:
    """Make the runs, or say what they would be; returns whether they are there now."""
    from avtrain.reproduction.run import builds, reproduce

    if dry_run:
        for planned in plan.runs:
            typer.echo(str(planned))
        typer.echo(f"{len(plan.runs)} runs; nothing was made")
        return False
    builds(plan)  # a data set that is not there shows now, not after hours
    reproduce(plan, computing.machine, computing.resume, typer.echo)
    return True
