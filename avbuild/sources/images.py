"""Read images as `--images` names them: folder:PATH, cifar10:PATH or hf:NAME."""

from pathlib import Path

from avbuild.errors import UsageError
from avbuild.sources.cifar10 import DOWNLOAD, FOLDER, read_cifar10
from avbuild.sources.corpus import Corpus
from avbuild.sources.folders import read_image_folder
from avbuild.sources.huggingface import read_huggingface_images
from avbuild.sources.locate import find_source
from avbuild.sources.options import Options
from avbuild.sources.unpack import unpack


def read_images(options: Options) -> Corpus:
    """Read the images that the options name, or CIFAR-10 where they name none.

    Args:
        options: of the build; `images` is folder:PATH, cifar10:PATH or hf:NAME.

    Raises UsageError for anything else, UserError where nothing can be read.
    """
    if options.images is None:
        return read_cifar10(find_source(DOWNLOAD, options.sources, options.offline))
    kind, _, place = options.images.partition(":")
    if kind == "folder" and place:
        return read_image_folder(Path(place))
    if kind == "cifar10" and place:
        path = Path(place)
        return read_cifar10(_unpacked(path) if path.is_file() else path)
    if kind == "hf" and place:
        return read_huggingface_images(place)
    raise UsageError(f"--images {options.images}: write folder:PATH, cifar10:PATH or hf:NAME")


def _unpacked(archive: Path) -> Path:
    """Return the folder beside an archive that holds its content; unpack it if it does not exist."""
    folder = archive.parent / FOLDER
    if not folder.is_dir():
        unpack(archive, archive.parent, expect=folder.name)
    return folder
