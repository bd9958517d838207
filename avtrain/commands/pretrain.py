"""`avtrain pretrain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avtrain.commands.options import Device, LoaderWorkers, Precision, Resume, expand, set_option

if TYPE_CHECKING:
    from avtrain.pretraining.config import PretrainConfig


def pretrain(
    manifest: Annotated[str, typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.")],
    size: Annotated[str, typer.Option(help="base (164 M weights, as published), small or tiny.")] = "base",
    out: Annotated[Path, typer.Option(help="Folder for cav-mae.safetensors.", callback=expand)] = Path("pretrained"),
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.", show_default="25")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per batch.", show_default="32")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="0.0005")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the weights, the order of the samples and the masks.")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    settings: Annotated[list[str] | None, set_option("hidden=0.75, backbone.audio_frames=400")] = None,
    resume: Resume = "auto",
    workers: LoaderWorkers = 0,
) -> None:
    """Pretrain the backbone CAV-MAE on the clean training split, without labels.

    It learns to reconstruct masked patches, and to match the audio and the image of a sample.

    Example:

        avtrain pretrain manifests/cifar10av.yaml --size tiny --out pretrained
    """
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.backbones.registry import backbone_config
    from avtrain.config import parse_options
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.pretraining.config import PretrainConfig
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
    typer.echo(f"next: avtrain fit {manifest} --backbone cav-mae {_backbone_settings(config, out)}")


def _backbone_settings(config: "PretrainConfig", out: Path) -> str:
    """Return the `--set` options with which `avtrain fit` reads the pretrained weights."""
    from avtrain.pretraining.config import WEIGHTS

    options = {
        **config.backbone.model_dump(exclude_defaults=True),
        "size": config.backbone.size,
        "weights": out / WEIGHTS,
    }
    return " ".join(f"--set backbone.{key}={value}" for key, value in options.items())
