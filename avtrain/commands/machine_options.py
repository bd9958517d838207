"""Where the work runs: the options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16; auto is bf16 where CUDA has it.")]
LoaderWorkers = Annotated[int, typer.Option(help="Processes that load data; changes nothing but the speed.", min=0)]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the tokens of frozen backbones, computed once.", show_default="features/ beside the runs"
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute the tokens of frozen backbones anew each epoch.")]


def cache_folder(cache: Path | None, no_cache: bool, runs: Path) -> Path | None:
    """Where tokens are kept: beside the runs unless told otherwise, or nowhere."""
    return None if no_cache else cache or runs / "features"
