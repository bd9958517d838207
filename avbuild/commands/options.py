"""Options that several `avbuild` commands share, and the functions that interpret them."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.errors import UsageError, listed
from avbuild.escaping import visible
from avbuild.places import expanded

if TYPE_CHECKING:
    from avbuild.dataset.storage import Folder
    from avbuild.pipeline.engines import Engine, JobShare


class EngineChoice(StrEnum):
    """Values of `--engine`."""

    local = "local"
    ray = "ray"


DATA, WORK = "Data", "Output and work"  # headings over the options in --help

DataSetArgument = Annotated[str, typer.Argument(help="The data set, e.g. data/urbansound8k-av.")]
DataSetOption = Annotated[
    str | None, typer.Option("--data", help="The data set.", show_default="the one under data/", rich_help_panel=DATA)
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be written and how large it is.", rich_help_panel=WORK)
]
Workers = Annotated[
    int | None, typer.Option(help="Number of processes.", show_default="all cores", min=1, rich_help_panel=WORK)
]
EngineOption = Annotated[
    EngineChoice,
    typer.Option(
        "--engine", help="local: processes on this machine. ray: the same work as Ray tasks.", rich_help_panel=WORK
    ),
]
RayAddress = Annotated[
    str | None, typer.Option(help="Address of a Ray cluster.", show_default="this machine", rich_help_panel=WORK)
]
JobShareOption = Annotated[
    str | None,
    typer.Option(
        "--job-share",
        help="i/n, i from 0 to n - 1: write only share i of n, one for each task of a batch scheduler.",
        rich_help_panel=WORK,
    ),
]
OldJobShareOption = Annotated[str | None, typer.Option("--shard", hidden=True)]


def say(text: str) -> None:
    """Print what a command did; control characters in names are written out."""
    typer.echo(visible(text, keep="\n"))


def home(path: Path | None) -> Path | None:
    """Return the path of an option with `~` replaced by the home folder, which a shell leaves in `--out=~/x`."""
    return None if path is None else Path(expanded(path))


def comma_separated(option: str, text: str) -> list[str]:
    """Return the words between the commas of an option, each once.

    Args:
        option: its name, for the error.
        text: its value.

    Raises UsageError where there is none.
    """
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise UsageError(f"{option} {text!r}: name at least one")
    return words


def only_data_set() -> str:
    """Return the folder of the only data set under data/.

    Raises UsageError where there is none, or more than one.
    """
    found = sorted(path.parent for path in Path("data").glob("*/build.json"))
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise UsageError("no data set under data/; make one (avbuild make demo-av --out data/) or give --data FOLDER")
    raise UsageError(f"several data sets under data/; choose one with --data:\n{listed(found)}")


def data_option(folder: str) -> str:
    """Return ` --data FOLDER` for a printed command, or nothing where the command would find that folder by itself."""
    found = list(Path("data").glob("*/build.json"))
    return "" if len(found) == 1 and Path(folder).resolve() == found[0].parent.resolve() else f" --data {folder}"


def chosen_engine(engine: EngineChoice, workers: int | None, address: str | None) -> "Engine":
    """Return the engine that `--engine`, `--workers` and `--ray-address` describe.

    Args:
        engine: local processes or Ray.
        workers: number of processes; None: one per core.
        address: of a Ray cluster; None: Ray starts on this machine.

    Raises UsageError for an address without Ray.
    """
    from avbuild.pipeline.engines import Engine, default_workers

    if address is not None and engine is not EngineChoice.ray:
        raise UsageError("--ray-address goes with --engine ray")
    return Engine(engine.value, workers or default_workers(), address)


def chosen_job_share(job_share: str | None, shard: str | None) -> "JobShare | None":
    """Return the share of the jobs to run, None for all of them; print a notice where the option has its old name.

    Args:
        job_share: value of `--job-share`.
        shard: value of `--shard`, the old name.

    Raises UsageError where both are given, or where the share is not valid.
    """
    from avbuild.pipeline.engines import parse_job_share

    if shard is not None:
        if job_share is not None:
            raise UsageError("--shard is the old name of --job-share; give --job-share alone")
        typer.echo("--shard is now --job-share", err=True)
    share = shard if job_share is None else job_share
    return None if share is None else parse_job_share(share)


def print_share_written(name: str, share: str | None, folder: "Folder", started: float) -> None:
    """Print that one share of the jobs is done, and how to complete the data set.

    Args:
        name: what was written: the data set, or the scenarios.
        share: `i/n`.
        folder: of the data set.
        started: time.monotonic() at the start of the command, in seconds.
    """
    say(f"{name}: share {share} written to {folder}, {time.monotonic() - started:.0f} s")
    typer.echo(
        "next: after all shares are written, run the same command without --job-share to check and complete them"
    )
