"""Options that the commands of `avtrain reproduce` share, and the functions that interpret them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from avtrain.commands.options import expand, set_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from avbuild.scenarios.manifest import Manifest
    from avtrain.device import Machine
    from avtrain.reproduction.plan import ReproductionPlan
    from avtrain.reproduction.recipe import PublishedRecipe
    from avtrain.reproduction.system import System

Manifests = Annotated[
    list[str] | None, typer.Argument(help="Manifests, e.g. manifests/urbansound8kav.yaml.", show_default=False)
]
Recipe = Annotated[
    str,
    typer.Option(help="own: each method's defaults here. published: the publication's recipe, noise and selection."),
]
ListAll = Annotated[
    bool, typer.Option("--list", help="List the published numbers, what makes each and the data it needs; run nothing.")
]
ListAs = Annotated[str, typer.Option("--format", help="With --list: text, json or csv.")]
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


def print_list(command: str, asked: bool, how: str) -> bool:
    """Print the published numbers of a command, where the user asks for them; returns whether that was so.

    Raises UsageError where the format is unknown.
    """
    if asked:
        from avtrain.reproduction.listing import listing

        typer.echo(listing(command, how))
    return asked


def load_manifests(paths: list[str] | None) -> "list[Manifest]":
    """Read manifests.  Raises UsageError where there are none, or where one is not valid."""
    from avbuild.errors import UsageError
    from avbuild.scenarios.manifest_file import load_manifest

    if not paths:
        raise UsageError(
            "name a manifest, e.g. manifests/urbansound8kav.yaml; --list shows the published numbers alone"
        )
    return [load_manifest(path) for path in paths]


def shared_fit_options(
    backbone: str | None, compute: ComputeOptions, overrides: list[str] | None, epochs: int | None = None
) -> dict[str, Any]:
    """Return the options of `avtrain fit` that are the same for every run.

    Args:
        backbone: name of the backbone; None: not given.
        compute: from `compute_options`.
        overrides: values of `--set`; they replace the others.
        epochs: number of epochs; None: each method's own.
    """
    from avtrain.training.options import parse_settings

    given = {"backbone": backbone, "precision": compute.precision, "epochs": epochs}
    return given | parse_settings(overrides or [])


def choose_recipe(given: str, recipes: "Mapping[str, PublishedRecipe]") -> "PublishedRecipe | None":
    """Return the recipe of a value of `--recipe`; None for `own`.

    Args:
        given: the value.
        recipes: by the values that name them.

    Raises UsageError where there is no such recipe.
    """
    from avbuild.errors import UsageError, nearest

    allowed = ("own", *recipes)
    if given not in allowed:
        raise UsageError(f'--recipe: no "{given}"{nearest(given, allowed)}; allowed: {", ".join(allowed)}')
    return recipes.get(given)


def precision_of(given: str, recipe: "PublishedRecipe | None") -> str:
    """Return the precision asked for; `auto` is that of the recipe, where there is one."""
    return str(recipe.options.get("precision", given)) if recipe and given == "auto" else given


def with_published_options(
    recipe: "PublishedRecipe | None",
    options: dict[str, Any],
    settings: dict[str, dict[str, Any]],
    systems: "Sequence[System]",
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return options and settings of a plan, completed by a recipe where there is one.

    Args:
        recipe: from `choose_recipe`.
        options: of every fit, by the user.
        settings: method or system -> options, by the user.
        systems: rows of the table.
    """
    if recipe is None:
        return options, settings
    from avtrain.reproduction.recipe import with_recipe

    return with_recipe(recipe, options, settings, systems)


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
