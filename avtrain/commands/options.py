"""Options that several `avtrain` commands share, and the functions that interpret them."""

import re
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from typer.models import OptionInfo

from avbuild.errors import UsageError

Paths = TypeVar("Paths", Path, list[Path], None)

# headings over the options in --help
DATA, TRAINING, FOLDER, MACHINE = "Data", "Model and training", "Folder of the run", "Machine and cache"


def expand(value: Paths) -> Paths:
    """Return paths with `~` replaced by the home folder, as shells do not in `--out=~/runs`.

    Raises UsageError where there is no such user.
    """
    try:
        if isinstance(value, Path):
            return value.expanduser()
        return value if value is None else [path.expanduser() for path in value]
    except RuntimeError as error:
        raise UsageError(f"{value}: {error}") from error


Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=MACHINE)]
Precision = Annotated[
    str, typer.Option(help="auto, fp32 or bf16; auto is bf16 where CUDA has it.", rich_help_panel=MACHINE)
]
PrecisionOfRun = Annotated[
    str | None,
    typer.Option(
        help="auto, fp32 or bf16; auto is bf16 where CUDA has it.",
        show_default="auto, or that of --config",
        rich_help_panel=MACHINE,
    ),
]
LoaderWorkers = Annotated[
    int, typer.Option(help="Processes that load data; they affect only the speed.", min=0, rich_help_panel=MACHINE)
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the features of frozen backbones, computed once.",
        show_default="features/ beside the runs",
        callback=expand,
        rich_help_panel=MACHINE,
    ),
]
DataPlace = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Where the data set is, if it was moved or copied: a folder or a URL; its content must be the same.",
        show_default="as in the manifest",
        rich_help_panel=DATA,
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache", help="Compute the features of frozen backbones again in every epoch.", rich_help_panel=MACHINE
    ),
]
Resume = Annotated[
    str,
    typer.Option(
        help="auto: finish a run that was stopped. restart: train it again. never: refuse a folder with a run.",
        rich_help_panel=FOLDER,
    ),
]
SelectOnTest = Annotated[
    bool,
    typer.Option(
        "--select-on-test",
        help="Choose the best epoch on the test split, as some published work does: only to measure what that gains.",
        rich_help_panel=TRAINING,
    ),
]
OneRun = Annotated[Path, typer.Argument(help="A finished run, e.g. runs/demo-finetune-tiny/seed0.", callback=expand)]


def calibration_option(panel: str | None = None) -> OptionInfo:
    """Return `--calibration`.  panel: heading that it stands under in the help; None: the general options."""
    option: OptionInfo = typer.Option(
        help="Probabilities: none (of the bare model), run (one temperature for all samples) or condition (a "
        "temperature that depends on the sample).",
        show_default="run, where the run has a temperature",
        rich_help_panel=panel,
    )
    return option


Calibration = Annotated[str | None, calibration_option()]


def set_option(examples: str) -> OptionInfo:
    """Return `--set`, for settings without an option of their own.

    Args:
        examples: shown in the help, e.g. `method.length=16`.
    """
    option: OptionInfo = typer.Option("--set", help=f"key=value, e.g. {examples}.", rich_help_panel=TRAINING)
    return option


def cache_folder(cache: Path | None, no_cache: bool, runs: Path) -> Path | None:
    """Return the folder for the features of frozen backbones, or None where they are not kept.

    Args:
        cache: value of `--cache`; None: beside the runs.
        no_cache: value of `--no-cache`.
        runs: folder of the runs.
    """
    return None if no_cache else cache or runs / "features"


def parse_seeds(text: str) -> list[int]:
    """Convert `0,1,2` to numbers.  Raises UsageError where they are not different whole numbers."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,18}", part) for part in parts) or len(set(map(int, parts))) < len(parts):
        raise UsageError(f"--seeds {text}: give different whole numbers of at most 18 digits, such as 0,1,2")
    return [int(part) for part in parts]


def warn_of_test_selection() -> None:
    """Print on stderr that scores are too high where the best epoch is chosen on the test split."""
    typer.echo(
        "warning: the best epoch is chosen on the test split, so the test scores are too high to be a measure of the "
        'method; every table made from them says "selected on test"',
        err=True,
    )
