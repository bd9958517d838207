"""CIFAR-10 in its official Python archive: 60,000 pictures of 32 x 32 in ten classes."""

import functools
import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avbuild.errors import UserError
from avbuild.modalities.media import encode_image
from avbuild.sources.corpus import Credit, Picture, PictureCorpus

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


@dataclass(frozen=True, slots=True)
class CifarRow:
    """One picture inside a batch file."""

    batch: str
    row: int

    @property
    def name(self) -> str:
        return f"{self.batch}[{self.row}]"

    def read(self) -> bytes:
        """The picture as PNG."""
        pixels = _load(self.batch)[0][self.row]
        return encode_image(np.ascontiguousarray(pixels.reshape(3, 32, 32).transpose(1, 2, 0)))


def read_cifar10(root: Path, md5: Mapping[str, str] = MD5) -> PictureCorpus:
    """Read the batches in `root` or in `root/cifar-10-batches-py`.

    md5: expected checksum of each batch file.  Raises UserError that names every batch that is absent or damaged.
    """
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    wrong = [problem for name, expected in md5.items() if (problem := _wrong(folder / name, expected))]
    if wrong:
        listed = "\n".join(f"  {problem}" for problem in wrong)
        raise UserError(
            f"{folder}: not the official cifar-10-python.tar.gz, unpacked\n{listed}\nGet it from {CREDIT.homepage}"
        )
    pictures: list[Picture] = []
    counts: dict[str, int] = {"train": 0, "test": 0}
    for name in md5:
        split: Literal["train", "test"] = "test" if name == "test_batch" else "train"
        for row, label in enumerate(_load(str(folder / name))[1]):
            pictures.append(
                Picture(f"{split}-{counts[split]:05d}", CLASSES[label], split, CifarRow(str(folder / name), row))
            )
            counts[split] += 1
    return PictureCorpus(CREDIT, CLASSES, tuple(pictures))


def _wrong(path: Path, expected: str) -> str | None:
    if not path.is_file():
        return f"{path}: missing"
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return None if found == expected else f"{path}: md5 is {found}, expected {expected}"


@functools.lru_cache(maxsize=2)  # a worker reads its rows batch by batch
def _load(path: str) -> tuple[NDArray[np.uint8], list[int]]:
    batch = _PlainUnpickler(io.BytesIO(Path(path).read_bytes()), encoding="latin1").load()
    return np.asarray(batch["data"], np.uint8), list(batch["labels"])


class _PlainUnpickler(pickle.Unpickler):
    """Arrays, lists and strings only: a pickle from the net must not run code."""

    allowed = frozenset({"_reconstruct", "ndarray", "dtype", "scalar", "encode", "_frombuffer"})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".", maxsplit=1)[0] in ("numpy", "_codecs") and name in self.allowed:
            return super().find_class(module, name)
        raise UserError(f"a CIFAR-10 batch asks for {module}.{name}, which no official batch does; it was not opened")
