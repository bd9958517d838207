"""`avbuild push`."""

from typing import Annotated

import typer

from avbuild.commands.options import DataSetArgument, say


def push(
    folder: DataSetArgument,
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face Hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make it visible to everyone; check the licences of the sources first.")
    ] = False,
) -> None:
    """Verify a data set, then upload it to the Hugging Face Hub, byte for byte.

    The repository is private unless --public is given.

    Example:

        avbuild push data/urbansound8k-av you/urbansound8k-av
    """
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.push import push as upload
    from avbuild.dataset.storage import Folder

    data = Folder(folder)
    for source in read_build(data).sources:
        say(f"{source.role}: {source.name}, {source.licence}")
    say(f"sent: {upload(data, repository, public)}")
    say(f'next: datasets.load_dataset("{repository}", "C")')
