"""`avtrain export`."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import OneRun, expand


def export(
    run: OneRun,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="RUN/model.pt2", callback=expand)
    ] = None,
    inference: Annotated[
        str | None,
        typer.Option(
            help="How prompts are chosen, e.g. oracle or router.", show_default="router, where the method has one"
        ),
    ] = None,
) -> None:
    """Write a model as a torch.export program for any batch size.

    The inputs, by name: the output of the front end for each modality, which modalities are present, and the number
    of the scenario where the method must be given it. The output: logits. A sample needs at least one modality. The
    classes and the front end are described inside the file.

    Examples:

        avtrain export runs/demo-finetune-tiny
        avtrain export runs/demo-finetune-tiny/seed0 --out model.pt2
    """
    import torch

    from avtrain.device import Machine
    from avtrain.inference.export import check_target
    from avtrain.inference.export import export as write_program
    from avtrain.inference.predictor import load_run

    if out is not None:
        check_target(out)
    trained = load_run(run, Machine(torch.device("cpu")))
    path = out or trained.run.folder / "model.pt2"
    write_program(trained, path, inference)
    typer.echo(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB); torch.export.load reads it")
