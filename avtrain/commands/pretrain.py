"""`avtrain pretrain`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from avtrain.commands.machine_options import Device, LoaderWorkers, Precision
from avtrain.commands.run_options import Resume, set_option


def pretrain(
    manifest: Annotated[str, typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.")],
    size: Annotated[str, typer.Option(help="base (164 M weights, as published), small or tiny.")] = "base",
    out: Annotated[Path, typer.Option(help="Folder that gets cav-mae.safetensors.")] = Path("pretrained"),
    epochs: Annotated[int | None, typer.Option(help="Times through the data.", show_default="25")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.", show_default="32")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="0.0005")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and masks.")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    settings: Annotated[list[str] | None, set_option("hidden=0.75, backbone.audio_frames=400")] = None,
    resume: Resume = "auto",
    workers: LoaderWorkers = 0,
) -> None:
    """Train CAV-MAE itself on the clean training split, without labels: masked patches and matching pairs.

    Example:

        avtrain pretrain manifests/cifar10av.yaml --size tiny --out pretrained
    """
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.backbones.registry import backbone_config
    from avtrain.config import parse_options
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.pretraining.config import WEIGHTS, PretrainConfig
    from avtrain.pretraining.start import pretrain_run
    from avtrain.runs.folder import Run
    from avtrain.training.options import parse_settings
    from avtrain.training.start import check_resume

    check_resume(resume)
    where, given = pick_device(device), parse_settings(settings or [])
    backbone = backbone_config("cav-mae", {"size": size, **given.pop("backbone_options", {})})
    options: dict[str, Any] = {
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "precision": pick_precision(precision, where),
        "seed": seed,
        **given,
    }
    config = parse_options(PretrainConfig, {k: v for k, v in options.items() if v is not None}, "pretrain")
    typer.echo(pretrain_run(Run(out), config, load_manifest(manifest), Machine(where, workers), resume))
    reads = {**config.backbone.model_dump(exclude_defaults=True), "size": config.backbone.size}
    reads["weights"] = out / WEIGHTS
    sets = " ".join(f"--set backbone.{key}={value}" for key, value in reads.items())
    typer.echo(f"next: avtrain fit {manifest} --backbone cav-mae {sets}")
