"""`avtrain cache`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.errors import UsageError, UserError
from avtrain.commands.options import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avtrain.features.inventory import CacheEntry

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Show and remove cached features of frozen backbones, and copies of rows.

    Everything in a cache can be computed again; a run that needs it does so.

    Examples:

        avtrain cache list
        avtrain cache clean --older-than 30d
    """,
)
Folder = Annotated[Path, typer.Argument(help="The cache: features/ beside the runs.", callback=expand)]
UNITS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


@app.command(name="list")
def list_entries(folder: Folder = Path("runs/features")) -> None:
    """Show what a cache holds: size, data and backbone, last use, and the runs that used it.

    Example:

        avtrain cache list runs/features
    """
    from rich.console import Console
    from rich.table import Table

    from avtrain.features.inventory import entries
    from avtrain.report.terminal import plain, without_controls
    from avtrain.runs.layout import run_label

    found = entries(_existing(folder))
    table = Table("entry", "content", "last used", "runs")
    table.add_column("MB", justify="right")
    for entry in found:
        runs = ", ".join(run_label(run) for run in entry.runs) or "–"
        table.add_row(plain(entry.name[:13]), plain(_content(entry)), _day(entry), plain(runs), _megabytes([entry]))
    if found:
        Console().print(table)
    rows = [entry for entry in found if entry.name.startswith("rows/")]
    counts = f"{len(found) - len(rows)} sets of features and {len(rows)} copies of rows"
    typer.echo(without_controls(f"{folder}: {counts}, {_megabytes(found)} MB"))
    if found:
        typer.echo(f"next: avtrain cache clean {without_controls(str(folder))} --older-than 30d")


@app.command()
def clean(
    folder: Folder = Path("runs/features"),
    older_than: Annotated[
        str | None, typer.Option(help="Remove what was not used for this long, e.g. 12h, 30d or 8w.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove everything.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove entries of a cache, and what killed processes left in it.

    Without --older-than or --all only leftovers and entries that were never finished are removed.

    Examples:

        avtrain cache clean --older-than 30d --dry-run
        avtrain cache clean runs/features --all --yes
    """
    from avtrain.features.inventory import entries, remove, tidy, unused_since
    from avtrain.report.terminal import without_controls

    if everything and older_than is not None:
        raise UsageError("--all and --older-than exclude each other")
    seconds = None if older_than is None else _seconds(older_than)
    found = entries(_existing(folder))
    unused = [] if seconds is None else [entry.name for entry in unused_since(found, seconds)]
    chosen = [entry for entry in found if everything or not entry.whole or entry.name in unused]
    for entry in chosen:
        needed = f"; {len(entry.unfinished_runs)} unfinished runs need it" if entry.unfinished_runs else ""
        typer.echo(without_controls(f"{entry.name}: {_content(entry)}, {_megabytes([entry])} MB{needed}"))
    said = f"{len(chosen)} of {len(found)} entries, {_megabytes(chosen)} MB"
    if dry_run:
        typer.echo(without_controls(f"{folder}: would remove {said}"))
        return
    if chosen and not yes and not typer.confirm(f"Remove {said}?"):
        raise UserError("nothing was removed")
    remove(folder, chosen)
    left = tidy(folder)
    typer.echo(without_controls(f"{folder}: removed {said}, and {len(left)} leftovers of killed processes"))


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no cache there; avtrain fit keeps one in features/ beside its runs, or at --cache")
    return folder


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if match is None:
        raise UsageError(f"--older-than {text}: write a number of hours, days or weeks, such as 12h, 30d or 8w")
    return float(int(match[1]) * UNITS[match[2]])


def _content(entry: "CacheEntry") -> str:
    """Return what an entry was made of, in one line."""
    if not entry.whole:
        return "never finished"
    about = {key: value for key, value in entry.about.items() if value not in (None, "")}
    return ", ".join(f"{key} {value}" for key, value in about.items()) or "written by an earlier version"


def _day(entry: "CacheEntry") -> str:
    from datetime import datetime

    return datetime.fromtimestamp(entry.last_used).astimezone().strftime("%Y-%m-%d %H:%M")


def _megabytes(found: "Sequence[CacheEntry]") -> str:
    return f"{sum(entry.size for entry in found) / 1e6:,.1f}"
