"""The `avtrain` commands: nothing but argument handling. Everything heavy is imported inside a command."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from avbuild.command_line import run_program
from avbuild.errors import UsageError
from avtrain.commands import evaluation, reproduce, use
from avtrain.commands.machine_options import Cache, Device, LoaderWorkers, NoCache, Precision, cache_folder
from avtrain.commands.pretrain import pretrain
from avtrain.commands.run_options import Resume, set_option
from avtrain.commands.seeds import parse_seeds
from avtrain.commands.selection import SelectOnTest, warn_of_test_selection
from avtrain.distributed.process_group import process_group

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""Audio-visual classifiers that survive noisy and missing modalities, compared on the same data.

    Examples:

        avtrain fit manifests/demo.yaml --backbone tiny --lr 0.001
        avtrain eval runs/demo-finetune-tiny
        avtrain report runs/
        avtrain predict runs/demo-finetune-tiny --audio bark.wav --image dog.jpg
    """,
)


def fit(
    manifest: Annotated[str, typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.")],
    method: Annotated[str, typer.Option(help="`avtrain methods` lists them.")] = "finetune",
    backbone: Annotated[
        str, typer.Option(help="dual (pretrained ViT and Whisper), cav-mae, resnet or tiny (both random).")
    ] = "dual",
    epochs: Annotated[int | None, typer.Option(help="Times through the data.", show_default="the method's own")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.", show_default="32")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="the method's own")] = None,
    train_on: Annotated[
        str | None, typer.Option(help="scenarios: all of the manifest's; or clean.", show_default="scenarios")
    ] = None,
    select_on_test: SelectOnTest = False,
    seeds: Annotated[str, typer.Option(help="One run each, e.g. 0,1,2.")] = "0",
    device: Device = "auto",
    precision: Precision = "auto",
    out: Annotated[Path, typer.Option(help="Folder that gets the runs.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="The run's folder.", show_default="MANIFEST-METHOD-BACKBONE")] = None,
    settings: Annotated[list[str] | None, set_option("method.length=16, backbone.vision=FILE")] = None,
    resume: Resume = "auto",
    init_from: Annotated[Path | None, typer.Option(help="Start from this run's backbone.")] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="wandb or trackio, beside the TensorBoard files that each run gets.")
    ] = None,
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Train a method on a manifest's data, one run a seed. The best epoch is chosen on validation; test is not read.

    With --select-on-test it is: the run, its scores and every table then say so.

    Examples:

        avtrain fit manifests/cifar10av.yaml
        avtrain fit manifests/demo.yaml --method prompt --backbone tiny --init-from runs/demo-finetune-tiny
        avtrain fit manifests/urbansound8kav.yaml --seeds 0,1,2 --set backbone.vision=vit.safetensors
    """
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.config import RunConfig, selection_suffix
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.training.options import fit_config, parse_settings
    from avtrain.training.start import check_resume, fit_run
    from avtrain.training.tracking import check_trackers

    check_resume(resume)
    check_trackers(track or [])
    loaded, numbers, where = load_manifest(manifest), parse_seeds(seeds), pick_device(device)
    options: dict[str, Any] = {
        "method": method,
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "train_on": train_on,
        "select_on": "test" if select_on_test else None,
        "precision": pick_precision(precision, where),
        **parse_settings(settings or []),
        "init_from": None if init_from is None else str(init_from),
    }
    config = fit_config(options)
    machine = Machine(where, workers, cache_folder(cache, no_cache, out))
    suffix = ("" if config.train_on == "scenarios" else "-clean") + selection_suffix(config.select_on)
    if config.select_on == "test":
        warn_of_test_selection()
    folder = out / (name or f"{loaded.name}-{config.method}-{config.backbone}{suffix}")
    for seed in numbers:
        run_config = RunConfig(fit=config.model_copy(update={"seed": seed}), manifest=loaded)
        typer.echo(fit_run(folder / f"seed{seed}", run_config, machine, resume, init_from, track or ()))
    typer.echo(f"next: avtrain eval {folder}")


def methods() -> None:
    """List the methods: name, one line, source."""
    import inspect

    from rich.console import Console
    from rich.table import Table as Printed

    from avtrain.methods.registry import METHODS

    printed = Printed("method", "what it does", "source", "options (--set method.KEY=VALUE)")
    for name, method in METHODS.items():
        summary = (inspect.getdoc(method) or "").splitlines()[0]
        options = "\n".join(
            f"{key}={field.default}  {field.description or ''}" for key, field in method.Config.model_fields.items()
        )
        printed.add_row(name, summary, method.source, options)
    Console().print(printed)


def validate(manifests: Annotated[list[str], typer.Argument(help="Manifests.")]) -> None:
    """Report everything that is wrong with manifests, each with its line; exit 2 where anything is.

    Example:

        avtrain validate manifests/*.yaml
    """
    from avbuild.scenarios.manifest_file import load_manifest

    problems = []
    for path in manifests:
        try:
            manifest = load_manifest(path)
        except UsageError as error:
            problems.append(str(error))
        else:
            typer.echo(f"{path}: sound; scenarios {', '.join(manifest.scenarios)}; data {manifest.dataset}")
    if problems:
        raise UsageError("\n".join(problems))


# in the order of `avtrain --help`
app.command()(fit)
app.command(name="eval")(evaluation.evaluate)
app.command()(evaluation.report)
app.command()(pretrain)
app.command()(methods)
app.command()(validate)
app.command()(use.predict)
app.command()(use.export)
app.add_typer(reproduce.app, name="reproduce")


def program() -> None:
    """A command, by one process or by several together."""
    with process_group(command=next(iter(sys.argv[1:]), None)):
        app()


def main() -> None:
    """The program."""
    run_program(program, when_stopped="the same command goes on from the last whole epoch", extra="train")
