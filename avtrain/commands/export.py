"""`avtrain export`."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import Calibration, OneRun, expand


def export(
    run: OneRun,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="RUN/model.pt2", callback=expand)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="pt2: a program for PyTorch. onnx: a model for ONNX Runtime; needs the extra onnx.",
            show_default="the suffix of --out, or pt2",
        ),
    ] = None,
    inference: Annotated[
        str | None,
        typer.Option(
            help="How prompts are chosen, e.g. oracle or router.", show_default="router, where the method has one"
        ),
    ] = None,
    calibration: Calibration = None,
    without_frontend: Annotated[
        bool,
        typer.Option("--without-frontend", help="The model alone: from spectrograms and normalised images to logits."),
    ] = False,
) -> None:
    """Write a model with its front end as one file, which runs without avtrain.

    In: audio float32 [batch, samples] at 16 kHz, images uint8 [batch, height, width, 3], of any size, and flags that
    say what is present. Out: probabilities. The names of the classes are inside; docs/python.md shows its use. Texts go
    in as token ids, by the tokenizer that is written beside the file.

    Examples:

        avtrain export runs/demo-finetune-tiny
        avtrain export runs/demo-finetune-tiny/seed0 --out model.pt2
        avtrain export runs/demo-finetune-tiny --format onnx
    """
    from avbuild.progress import progress_bar

    with progress_bar("exporting", 5) as advance:  # importing torch takes a part of the time
        import torch

        from avtrain.device import Machine
        from avtrain.inference.export import export as write_program
        from avtrain.inference.export_file import check_target, pick_format, tokenizer_beside
        from avtrain.inference.loaded_run import load_run

        chosen = pick_format(kind, out)
        if out is not None:
            check_target(out)
        trained = load_run(run, Machine(torch.device("cpu")), calibration)
        path = out or trained.run.folder / f"model.{chosen}"
        advance()
        write_program(trained, path, inference, kind=chosen, frontend=not without_frontend, advance=advance)
    reader = "torch.export.load" if chosen == "pt2" else "onnxruntime.InferenceSession"
    if "text" in trained.method.backbone.modalities:
        tokenizer = tokenizer_beside(path)
        typer.echo(f"written: {tokenizer}; texts go in as token ids, tokenizers.Tokenizer.from_file makes them of it")
    typer.echo(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB); {reader} reads it")
