"""Commands before others see a data set: `verify`, `card`, `push`."""

from typing import Annotated

import typer

from avbuild.errors import UserError, listed


def verify(folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")]) -> None:
    """Recompute every hash; check card, manifest, splits and recordings. Exit 1 and the names where anything differs.

    Example:

        avbuild verify data/urbansound8k-av
    """
    from avbuild.dataset.storage import Folder
    from avbuild.dataset.verify import verify as verify_folder

    build, problems, notes = verify_folder(Folder(folder))
    for note in notes:
        typer.echo(f"note: {note}")
    if problems:
        raise UserError(f"{folder}: {len(problems)} problems\n{listed(problems, most=200)}")
    shards = sum(len(made.shards) for record in build.scenarios.values() for made in record.splits.values())
    typer.echo(f"{folder}: sound; {len(build.scenarios)} scenarios in {shards} shards, every hash as it was written")


def card(folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")]) -> None:
    """Write a data set's card (README.md) and Croissant metadata (croissant.json) anew, from what `build.json` records.

    Example:

        avbuild card data/urbansound8k-av
    """
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.card import card_files, write_card
    from avbuild.dataset.storage import Folder
    from avbuild.scenarios.manifest_file import load_manifest

    data = Folder(folder)
    build = read_build(data)
    manifest = load_manifest(data.path("manifest.yaml")).model_copy(update={"dataset": "."})
    write_card(data, build, manifest)
    typer.echo(f"written: {', '.join(data.path(name) for name in card_files(build, manifest))}")
    typer.echo(f"next: avbuild verify {folder}")


def push(
    folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")],
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face Hub.")],
    public: Annotated[bool, typer.Option("--public", help="For everyone to see: mind the sources' licences.")] = False,
) -> None:
    """Send a data set to the Hub, byte for byte, after verifying it. Private unless you say otherwise.

    Example:

        avbuild push data/urbansound8k-av you/urbansound8k-av
    """
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.push import push as send
    from avbuild.dataset.storage import Folder

    data = Folder(folder)
    for source in read_build(data).sources:
        typer.echo(f"{source.role}: {source.name}, {source.licence}")
    typer.echo(f"sent: {send(data, repository, public)}")
    typer.echo(f'next: datasets.load_dataset("{repository}", "C")')
