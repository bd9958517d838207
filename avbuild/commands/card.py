"""`avbuild card`."""

from avbuild.commands.options import DataSetArgument, say


def card(folder: DataSetArgument) -> None:
    """Write the card (README.md) and the Croissant metadata (croissant.json) of a data set again.

    Both are made from `build.json` and the manifest.

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
    say(f"written: {', '.join(data.path(name) for name in card_files(build, manifest))}")
    say(f"next: avbuild verify {folder}")
