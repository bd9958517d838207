"""Options of `avbuild make` for published corpora that some of them have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PANEL = "Sources"


class RuleChoice(StrEnum):
    """Values of `--label-rule`."""

    equal = "equal"
    polar = "polar"


class VocalChoice(StrEnum):
    """Values of `--vocal`."""

    speech = "speech"
    song = "song"
    both = "both"


Root = Annotated[
    Path | None,
    typer.Option(help="Folder of the published corpus, where it is not in --sources.", rich_help_panel=PANEL),
]
Rule = Annotated[
    RuleChoice | None,
    typer.Option(
        help="mvsa-single. equal: text and image have one label. polar: neutral gives way to the other label.",
        show_default="equal",
        rich_help_panel=PANEL,
    ),
]
ClipList = Annotated[
    Path | None,
    typer.Option(
        "--list",
        help="kinetics-sounds: file of clips and their classes, or folder of a train and a test list.",
        rich_help_panel=PANEL,
    ),
]
Vocal = Annotated[
    VocalChoice | None,
    typer.Option(help="ravdess: the clips to use.", show_default="speech", rich_help_panel=PANEL),
]
