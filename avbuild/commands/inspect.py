"""`avbuild inspect`."""

from avbuild.commands.options import DataSetArgument


def inspect(folder: DataSetArgument) -> None:
    """Print what is in a data set: scenarios, splits, classes, sources and library versions.

    All of it is read from `build.json`; no shard is opened.

    Example:

        avbuild inspect data/urbansound8k-av
    """
    from avbuild.dataset.storage import Folder
    from avbuild.inspect.describe import describe_data_set

    describe_data_set(Folder(folder))
