"""`avbuild verify`."""

from avbuild.commands.options import DataSetArgument, say
from avbuild.errors import UserError, listed


def verify(folder: DataSetArgument) -> None:
    """Recompute every hash, and check the card, the manifest, the splits and the recordings.

    Where anything differs, the files are named and the exit code is 1.

    Example:

        avbuild verify data/urbansound8k-av
    """
    from avbuild.dataset.storage import Folder
    from avbuild.dataset.verify import verify as verify_folder

    build, problems, notes = verify_folder(Folder(folder))
    for note in notes:
        say(f"note: {note}")
    if problems:
        raise UserError(f"{folder}: {len(problems)} problems\n{listed(problems, most=200)}")
    shards = sum(len(made.shards) for record in build.scenarios.values() for made in record.splits.values())
    say(f"{folder}: intact; {len(build.scenarios)} scenarios in {shards} shards, every hash matches")
