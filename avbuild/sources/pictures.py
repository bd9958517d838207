"""Pictures as `--images` names them: folder:PATH, cifar10:PATH or hf:NAME."""

import tarfile
from pathlib import Path

from avbuild.errors import UsageError
from avbuild.sources.cifar10 import read_cifar10
from avbuild.sources.corpus import PictureCorpus
from avbuild.sources.download import unpack
from avbuild.sources.folders import read_picture_folder
from avbuild.sources.huggingface import read_huggingface_pictures
from avbuild.sources.locate import find_source


def read_pictures(spec: str | None, sources: Path, offline: bool) -> PictureCorpus:
    """Read what a spec names; None is CIFAR-10 from the sources folder."""
    if spec is None:
        return read_cifar10(find_source("cifar10", sources, offline))
    kind, _, place = spec.partition(":")
    if kind == "folder" and place:
        return read_picture_folder(Path(place))
    if kind == "cifar10" and place:
        path = Path(place)
        return read_cifar10(_unpacked(path) if path.is_file() and tarfile.is_tarfile(path) else path)
    if kind == "hf" and place:
        return read_huggingface_pictures(place)
    raise UsageError(f"--images {spec}: write folder:PATH, cifar10:PATH or hf:NAME")


def _unpacked(archive: Path) -> Path:
    """Beside the archive, once."""
    folder = archive.parent / "cifar-10-batches-py"
    if not folder.is_dir():
        unpack(archive, archive.parent, expect=folder.name)
    return folder
