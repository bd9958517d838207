"""CIFAR-10 in its official Python archive: 60,000 images of 32 x 32 px in ten classes."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbuild.errors import UserError
from avbuild.modalities.image import encode_image
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.cifar10_batches import LARGEST, load_batch
from avbuild.sources.corpus import Corpus, Credit, Material, SourceItem
from avbuild.sources.label_map import match_partners
from avbuild.sources.locate import Download
from avbuild.sources.options import Options

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-py"
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
CREDIT = Credit(
    name="CIFAR-10",
    licence="none stated by its authors",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    citation="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
)


DOWNLOAD = Download(
    title="CIFAR-10",
    folder=FOLDER,
    archive="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
    size="170 MB",
)


@dataclass(frozen=True, slots=True)
class CifarRow:
    """One image in a batch file."""

    batch: str
    row: int

    @property
    def name(self) -> str:
        return f"{self.batch}[{self.row}]"

    def read(self) -> bytes:
        """Return the image as PNG."""
        pixels = _load(self.batch)[0][self.row]
        return encode_image(np.ascontiguousarray(pixels.reshape(3, 32, 32).transpose(1, 2, 0)))


def read_cifar10(root: Path, md5: Mapping[str, str | None] = MD5) -> Corpus:
    """Read the batch files in `root` or in `root/cifar-10-batches-py`.

    Args:
        root: folder of the unpacked archive, or the one around it.
        md5: batch file -> expected checksum; None: not verified.

    Raises UserError that names every batch file that is missing or damaged.
    """
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    wrong = [problem for name, expected in md5.items() if (problem := _wrong(folder / name, expected))]
    if wrong:
        listed = "\n".join(f"  {problem}" for problem in wrong)
        raise UserError(
            f"{folder}: not the official cifar-10-python.tar.gz, unpacked\n{listed}\nGet it from {CREDIT.homepage}"
        )
    images: list[SourceItem] = []
    counts: dict[str, int] = {"train": 0, "test": 0}
    for name in md5:
        split: Literal["train", "test"] = "test" if name == "test_batch" else "train"
        for row, label in enumerate(_load(str(folder / name))[1]):
            id, media = f"{split}-{counts[split]:05d}", CifarRow(str(folder / name), row)
            images.append(SourceItem("image", id, CLASSES[label], media, group=id, split=split))
            counts[split] += 1
    return Corpus("image", CREDIT, CLASSES, tuple(images))


def _wrong(path: Path, expected: str | None) -> str | None:
    try:
        if path.stat().st_size > LARGEST:
            return f"{path}: {path.stat().st_size:,} bytes, more than any official file has"
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return f"{path}: missing"
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror or error}"
    return None if expected in (None, found) else f"{path}: md5 is {found}, expected {expected}"


@functools.lru_cache(maxsize=2)  # a worker reads rows of one batch file after the other
def _load(path: str) -> tuple[NDArray[np.uint8], list[int]]:
    return load_batch(Path(path))


def read_cifar10_av(options: Options, any_corpus: AnyCorpus) -> Material:
    """Read CIFAR-10's images, or others that the options name, and audio of any corpus."""
    audio, images = any_corpus.audio(options), any_corpus.images(options)
    match = match_partners(images.classes, audio.classes, "cifar10", options.label_map)
    return Material((audio, images), images.classes, match)


BUILDER = Builder(
    name="cifar10-av",
    title="CIFAR10-AV",
    needs="CIFAR-10 (170 MB) and audio: UrbanSound8K (6 GB), ESC-50 (600 MB) or a folder",
    licence="none stated (CIFAR-10); audio as its source",
    read=read_cifar10_av,
    anchor="image",
    options=frozenset({"audio_root", "images", "label_map", "folds", "pair"}),
    examples=("avbuild make cifar10-av --audio-root ESC-50-master/",),
)
