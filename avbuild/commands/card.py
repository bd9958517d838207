"""`avbuild card`."""

import datetime
import re
from typing import Annotated

import typer

from avbuild.commands.options import DataSetArgument, say
from avbuild.errors import UsageError


def card(
    folder: DataSetArgument,
    date_published: Annotated[
        str | None,
        typer.Option(
            help="Day of publication, YYYY-MM-DD, for `datePublished` in the Croissant metadata; none to remove."
        ),
    ] = None,
) -> None:
    """Write the card (README.md) and the Croissant metadata (croissant.json) of a data set again.

    Both are made from `build.json` and the manifest; a day of publication is kept in `build.json`.

    Examples:

        avbuild card data/urbansound8k-av
        avbuild card data/urbansound8k-av --date-published 2026-11-30
    """
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.card import card_files, write_card
    from avbuild.dataset.storage import Folder
    from avbuild.scenarios.manifest_file import load_manifest

    data = Folder(folder)
    build = read_build(data)
    if date_published is not None:
        build = build.model_copy(update={"date_published": _day(date_published)})
    manifest = load_manifest(data.path("manifest.yaml")).model_copy(update={"dataset": "."})
    write_card(data, build, manifest)
    if date_published is not None:
        build.write(data)
    say(f"written: {', '.join(data.path(name) for name in card_files(build, manifest))}")
    say(f"next: avbuild verify {folder}")


def _day(text: str) -> str:
    """Return the value of `--date-published`: a day, or nothing for `none`."""
    if text == "none":
        return ""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"--date-published {text}: is no day; write YYYY-MM-DD, such as 2026-11-30, or none") from None
