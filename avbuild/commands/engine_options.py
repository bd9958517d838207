"""Where the work runs: the options that `make` and `corrupt` share."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.errors import UsageError

if TYPE_CHECKING:
    from avbuild.pipeline.engines import Engine

Workers = Annotated[int | None, typer.Option(help="Processes to use.", show_default="all cores", min=1)]


class EngineChoice(StrEnum):
    """What runs the work."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[EngineChoice, typer.Option("--engine", help="ray: the same work as Ray tasks.")]
RayAddress = Annotated[str | None, typer.Option(help="A Ray cluster.", show_default="this machine")]
ShardOption = Annotated[
    str | None, typer.Option("--shard", help="i/n: only this share, for task i of n of a batch scheduler.")
]


def chosen_engine(engine: EngineChoice, workers: int | None, address: str | None) -> "Engine":
    """Local processes, or Ray."""
    from avbuild.pipeline.engines import Engine, default_workers

    if address is not None and engine is not EngineChoice.ray:
        raise UsageError("--ray-address goes with --engine ray")
    return Engine(engine.value, workers or default_workers(), address)
