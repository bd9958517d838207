"""Options of `avbuild make folder`: a data set of the user's own files."""

import re
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.errors import UsageError, UserError

if TYPE_CHECKING:
    from avbuild.dataset.storage import Folder
    from avbuild.pipeline.unusable import UnusableFiles

PANEL = "Your own files (avbuild make folder)"
TABLE = "Your own table (avbuild make NAME --table FILE)"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


class PairChoice(StrEnum):
    """Values of `--pair`."""

    by_stem = "stem"
    by_class = "class"
    by_index = "index"


Audio = Annotated[
    Path | None, typer.Option(help="Your audio files: CLASS/FILE, or SPLIT/CLASS/FILE.", rich_help_panel=PANEL)
]
Image = Annotated[Path | None, typer.Option(help="Your images, laid out likewise.", rich_help_panel=PANEL)]
Video = Annotated[Path | None, typer.Option(help="Your videos, laid out likewise.", rich_help_panel=PANEL)]
Text = Annotated[Path | None, typer.Option(help="Your .txt files, laid out likewise.", rich_help_panel=PANEL)]
Pair = Annotated[
    PairChoice | None,
    typer.Option(
        help="stem: equal file names within a class. class: any file of the class. index: as class, and classes "
        "without a partner of their name in their order.",
        rich_help_panel=PANEL,
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the data set.", rich_help_panel=PANEL)]
Title = Annotated[str | None, typer.Option(help="Title of the card.", show_default="the name", rich_help_panel=PANEL)]
Description = Annotated[str | None, typer.Option(help="Text of the card.", rich_help_panel=PANEL)]
Licence = Annotated[
    str | None, typer.Option("--licence", "--license", help="Licence of your files.", rich_help_panel=PANEL)
]
GroupPattern = Annotated[
    str | None,
    typer.Option(
        help="Regular expression whose parentheses find the recording or speaker in a file name, such as '^([^-]+)-'; "
        "no recording is in two splits.",
        show_default="every name is one",
        rich_help_panel=PANEL,
    ),
]


Table = Annotated[
    Path | None,
    typer.Option(
        help="CSV, TSV, JSON lines or Parquet, a sample a row: columns audio, image, video, text or file_name with "
        "paths relative to the table (text: the text itself), label, and optionally group, split, fold and id.",
        rich_help_panel=TABLE,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of other names: text=caption,label=emotion. split= leaves a column out.",
        show_default="by their names",
        rich_help_panel=TABLE,
    ),
]
TextFiles = Annotated[
    bool, typer.Option("--text-files", help="The column text holds paths of .txt files.", rich_help_panel=TABLE)
]
AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help="Read files outside the table's folder too.", rich_help_panel=TABLE)
]


def table_name(name: str, own_name: str | None, known: Collection[str]) -> str:
    """Return the name of a data set that is made of a table: NAME, or that of --name where NAME is table.

    Args:
        name: of `avbuild make NAME`.
        own_name: value of --name.
        known: names that avbuild and plug-ins have.

    Raises UsageError for a name that is taken, cannot be that of a folder, or is given twice.
    """
    if name == "table":
        if own_name is None:
            raise UsageError("table: give the data set a name, such as  avbuild make mine --table metadata.csv")
        return own_name
    if own_name is not None:
        raise UsageError(f"--name {own_name}: the table's data set already has a name, {name}")
    if name in known:
        raise UsageError(f"{name} is a data set of avbuild or of a plug-in, not of a table; choose another name")
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name!r} is no name: use letters, digits, - _ and . only, and begin with a letter or digit")
    return name


def checked_name(name: str | None) -> str | None:
    """Return the value of `--name`, which becomes a folder and the name of a manifest.

    Raises UsageError for a name that cannot be both.
    """
    if name is not None and not re.fullmatch(NAME, name):
        raise UsageError(f"--name {name!r}: use letters, digits, - _ and . only, and begin with a letter or digit")
    return name


def with_whole_list(error: "UnusableFiles", out: "Folder", name: str, dry_run: bool) -> UserError:
    """Write the list of all unusable files where the message does not name all of them, and say where it is.

    Args:
        error: about these files.
        out: folder in which the data set would get its folder.
        name: of the data set.
        dry_run: write nothing.
    """
    if error.shows_all or dry_run:
        return error
    out.write(_list_of(name), error.whole_list.encode())
    return UserError(f"{error}\nThe whole list: {out.path(_list_of(name))}")


def remove_whole_list(out: "Folder", name: str, dry_run: bool) -> None:
    """Remove the list that an earlier run wrote: the files can be used now, or `build.json` names them."""
    if not dry_run and out.exists(_list_of(name)):
        out.remove(_list_of(name))


def _list_of(name: str) -> str:
    return f"{name}.unusable.txt"
