"""`avtrain fit`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from avtrain.commands.options import (
    Cache,
    Device,
    LoaderWorkers,
    NoCache,
    Precision,
    Resume,
    SelectOnTest,
    cache_folder,
    expand,
    parse_seeds,
    set_option,
    warn_of_test_selection,
)


def fit(
    manifest: Annotated[str, typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.")],
    method: Annotated[str, typer.Option(help="The method; `avtrain methods` lists them all.")] = "finetune",
    backbone: Annotated[
        str, typer.Option(help="dual (pretrained ViT and Whisper), cav-mae, resnet or tiny (both random).")
    ] = "dual",
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.", show_default="the method's own")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per batch.", show_default="32")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="the method's own")] = None,
    train_on: Annotated[
        str | None, typer.Option(help="scenarios: all of the manifest's. clean: clean data.", show_default="scenarios")
    ] = None,
    select_on_test: SelectOnTest = False,
    seeds: Annotated[str, typer.Option(help="Seeds, one run for each, e.g. 0,1,2.")] = "0",
    device: Device = "auto",
    precision: Precision = "auto",
    out: Annotated[Path, typer.Option(help="Folder of all runs.", callback=expand)] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Folder of this run.", show_default="MANIFEST-METHOD-BACKBONE")
    ] = None,
    settings: Annotated[list[str] | None, set_option("method.length=16, backbone.vision=FILE")] = None,
    resume: Resume = "auto",
    init_from: Annotated[
        Path | None, typer.Option(help="A run whose trained backbone is the starting point.", callback=expand)
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="wandb or trackio, beside the TensorBoard files that every run writes.")
    ] = None,
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Train a method on the data of a manifest, one run per seed.

    The best epoch is chosen on the validation split, and the test split is not read. With --select-on-test it is
    chosen on the test split, and the run, its scores and every table say so.

    Examples:

        avtrain fit manifests/cifar10av.yaml
        avtrain fit manifests/demo.yaml --method prompt --backbone tiny --init-from runs/demo-finetune-tiny
        avtrain fit manifests/urbansound8kav.yaml --seeds 0,1,2 --set backbone.vision=vit.safetensors
    """
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.config import RunConfig, selection_suffix
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.report.terminal import without_controls
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
        line = fit_run(folder / f"seed{seed}", run_config, machine, resume, init_from, track or ())
        typer.echo(without_controls(line))
    typer.echo(without_controls(f"next: avtrain eval {folder}"))
