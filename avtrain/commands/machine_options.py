"""Where the work runs: the options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16; auto is bf16 where CUDA has it.")]
LoaderWorkers = Annotated[int, typer.Option(help="Processes that load data; changes nothing but the speed.", min=0)]
Cache = Annotated[Path, typer.Option(help="Folder for the tokens of frozen backbones, computed once.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute the tokens of frozen backbones anew each epoch.")]
CACHE = Path("features")
