"""`avtrain fit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avbuild.errors import UsageError
from avtrain.commands.options import (
    DATA,
    FOLDER,
    TRAINING,
    Cache,
    DataPlace,
    Device,
    LoaderWorkers,
    NoCache,
    PrecisionOfRun,
    Resume,
    SelectOnTest,
    cache_folder,
    expand,
    parse_seeds,
    set_option,
    warn_of_test_selection,
)

if TYPE_CHECKING:
    from avbuild.scenarios.manifest import Manifest
    from avtrain.config import FitConfig, RunConfig
    from avtrain.training.config_file import ConfigFile
    from avtrain.training.plan import PlannedFit


def fit(
    manifest: Annotated[
        str | None,
        typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.", show_default="that of --config"),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="The method; `avtrain methods` lists them all.", show_default="finetune", rich_help_panel=TRAINING
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="dual (pretrained ViT and Whisper), cav-mae, resnet or tiny (both random).",
            show_default="dual",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Number of epochs.", show_default="the method's own", rich_help_panel=TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples per batch.", show_default="the method's own", rich_help_panel=TRAINING)
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate.", show_default="the method's own", rich_help_panel=TRAINING)
    ] = None,
    train_on: Annotated[
        str | None,
        typer.Option(
            help="scenarios: all of the manifest's. clean: clean data.", show_default="scenarios", rich_help_panel=DATA
        ),
    ] = None,
    select_on_test: SelectOnTest = False,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Seeds, one run for each, e.g. 0,1,2.", show_default="0, or that of --config", rich_help_panel=DATA
        ),
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option(
            help="Cross-validation over the data set's own folds: all, or some of them, e.g. 1,2. Replaces the "
            "manifest's split.",
            rich_help_panel=DATA,
        ),
    ] = None,
    device: Device = "auto",
    precision: PrecisionOfRun = None,
    out: Annotated[Path, typer.Option(help="Folder of all runs.", callback=expand, rich_help_panel=FOLDER)] = Path(
        "runs"
    ),
    name: Annotated[
        str | None,
        typer.Option(help="Folder of this run.", show_default="MANIFEST-METHOD-BACKBONE", rich_help_panel=FOLDER),
    ] = None,
    settings: Annotated[list[str] | None, set_option("method.length=16, backbone.vision=FILE")] = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="A YAML file with options, such as a run's config.yaml; options given here replace its own.",
            rich_help_panel=FOLDER,
        ),
    ] = None,
    resume: Resume = "auto",
    init_from: Annotated[
        Path | None,
        typer.Option(
            help="A run whose trained backbone is the starting point.", callback=expand, rich_help_panel=TRAINING
        ),
    ] = None,
    data: DataPlace = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            help="wandb or trackio, beside the TensorBoard files that every run writes.", rich_help_panel=FOLDER
        ),
    ] = None,
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print the configuration as a file of --config, and train nothing.",
            rich_help_panel=FOLDER,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check everything, print what would be trained, and train nothing.",
            rich_help_panel=FOLDER,
        ),
    ] = False,
) -> None:
    """Train a method on the data of a manifest, one run per seed.

    The best epoch is chosen on the validation split, and the test split is not read. With --select-on-test it is
    chosen on the test split, and the run, its scores and every table say so.

    Examples:

        avtrain fit manifests/cifar10av.yaml
        avtrain fit manifests/demo.yaml --backbone tiny --lr 0.001
        avtrain fit manifests/demo.yaml --method prompt --init-from runs/mine
        avtrain fit manifests/cifar10av.yaml --seeds 0,1,2 --set method.head_lr=1
        avtrain fit manifests/urbansound8kav.yaml --folds all
        avtrain fit --config runs/demo-finetune-tiny/seed0/config.yaml --out again/
    """
    from avtrain.device import Machine, pick_device
    from avtrain.features.inventory import tidy
    from avtrain.report.terminal import without_controls
    from avtrain.training.config_file import read_config_file
    from avtrain.training.options import parse_settings
    from avtrain.training.plan import default_name, describe_plan, planned_fits
    from avtrain.training.start import check_resume, fit_run
    from avtrain.training.tracking import check_trackers

    check_resume(resume)
    check_trackers(track or [])
    where, file = pick_device(device), read_config_file(config) if config else None
    loaded = _manifest(manifest, file, data)
    options: dict[str, Any] = {
        "method": method,
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "train_on": train_on,
        "select_on": "test" if select_on_test else None,
        "precision": precision,
        **parse_settings(settings or []),
        "init_from": None if init_from is None else str(init_from),
    }
    settings_of_fit = _fit_config(options, file, where)
    numbers = [settings_of_fit.seed] if seeds is None else parse_seeds(seeds)
    configs = _configs(settings_of_fit, loaded, folds, file)
    folder = out / (name or default_name(configs[0]))
    source = None if settings_of_fit.init_from is None else Path(settings_of_fit.init_from)
    planned = planned_fits(folder, configs, numbers)
    if print_config:
        typer.echo(_as_file(planned))
        return
    if dry_run:
        typer.echo(without_controls("\n".join(describe_plan(planned, resume, source))))
        return
    if settings_of_fit.select_on == "test":
        warn_of_test_selection()
    machine = Machine(where, workers, cache_folder(cache, no_cache, out))
    tidy(machine.cache)
    for run in planned:
        for line in fit_run(run.folder, run.config, machine, resume, source, track or ()).splitlines():
            typer.echo(without_controls(line))
    typer.echo(without_controls(f"next: avtrain eval {folder}"))


def _manifest(path: str | None, file: "ConfigFile | None", data: str | None) -> "Manifest":
    """Return the manifest of the command line, or else that of the file of --config, with its data at --data."""
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.data.shards import at_place

    found = load_manifest(path) if path else file.manifest if file else None
    if found is None:
        raise UsageError(
            "no manifest: name one, such as  avtrain fit manifests/demo.yaml, or a --config file with the key manifest"
        )
    return at_place(found, data)


def _fit_config(options: dict[str, Any], file: "ConfigFile | None", device: Any) -> "FitConfig":
    """Return the options of the command line over those of the file of --config, all checked."""
    from avtrain.device import pick_precision
    from avtrain.training.options import fit_config, merged_options

    merged = merged_options(file.fit if file else {}, options)
    merged["precision"] = pick_precision(str(merged.get("precision", "auto")), device)
    return fit_config(merged)


def _configs(fit: "FitConfig", manifest: "Manifest", folds: str | None, file: "ConfigFile | None") -> "list[RunConfig]":
    """Return one configuration for each fold to train, or a single one."""
    from avtrain.config import RunConfig
    from avtrain.training.folds import find_folds, of_fold

    defaults = file.defaults_of(fit) if file else {}
    if folds is None:
        kept = file.folds if file and file.manifest and file.manifest.split == manifest.split else None
        return [RunConfig(fit=fit, manifest=manifest, folds=kept, defaults=defaults)]
    every, chosen = find_folds(manifest, folds)
    return [RunConfig(fit=fit, manifest=of_fold(manifest, fold), folds=every, defaults=defaults) for fold in chosen]


def _as_file(planned: "list[PlannedFit]") -> str:
    """Return the configuration of the first run as YAML that --config reads."""
    first = planned[0].config.as_yaml()
    return first.rstrip() if len(planned) == 1 else f"# the first of {len(planned)} runs\n{first}".rstrip()
