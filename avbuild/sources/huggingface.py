"""Images of any Hugging Face image data set: on the Hub, from `save_to_disk`, or a folder of Parquet files."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avbuild.errors import UserError
from avbuild.sources.corpus import Corpus, Credit, SourceItem


@dataclass(frozen=True, slots=True)
class HuggingFaceRow:
    """One image of a split."""

    source: str
    split: str
    column: str
    row: int

    @property
    def name(self) -> str:
        return f"hf:{self.source}/{self.split}[{self.row}]"

    def read(self) -> bytes:
        """Return the encoded bytes as the data set holds them."""
        cell = _undecoded(self.source, self.split, self.column)[self.row][self.column]
        data: bytes | None = cell["bytes"]
        return Path(cell["path"]).read_bytes() if data is None else data


def read_huggingface_images(source: str) -> Corpus:
    """Read the image and class columns of a data set.

    The split `test`, or else `validation`, becomes the publisher's test split; all others become train.

    Args:
        source: name on the Hub, or a local folder.

    Raises UserError where it cannot be loaded, or does not have one image and one class column.
    """
    loaded = _load(source)
    column, label = _columns(source, next(iter(loaded.values())).features)
    held_out = next((name for name in ("test", "validation") if name in loaded and len(loaded) > 1), None)
    images: list[SourceItem] = []
    classes: tuple[str, ...] = tuple(next(iter(loaded.values())).features[label].names)
    for name, rows in loaded.items():
        split: Literal["train", "test"] | None = None
        if held_out is not None:
            split = "test" if name == held_out else "train"
        for row, index in enumerate(rows[label]):
            if index >= 0:  # -1: a test split whose labels are not public
                media = HuggingFaceRow(source, name, column, row)
                id = f"{name}-{row:07d}"
                images.append(SourceItem("image", id, classes[index], media, group=id, split=split))
    credit = Credit(
        name=source, licence="as its page states", homepage=f"https://huggingface.co/datasets/{source}", citation=""
    )
    return Corpus("image", credit, classes, tuple(images))


@functools.lru_cache(maxsize=1)
def _load(source: str) -> dict[str, Any]:
    from datasets import DatasetDict, load_dataset, load_from_disk

    try:
        saved = any((Path(source) / name).exists() for name in ("dataset_dict.json", "dataset_info.json"))
        loaded = load_from_disk(source) if saved else load_dataset(source)
    except (OSError, ValueError) as error:
        raise UserError(
            f"hf:{source}: cannot be loaded ({error}). Check the name and the network, or download the data set and "
            f"give its folder: --images hf:FOLDER"
        ) from error
    return dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}


@functools.lru_cache(maxsize=4)
def _undecoded(source: str, split: str, column: str) -> Any:
    from datasets import Image

    return _load(source)[split].select_columns([column]).cast_column(column, Image(decode=False))


def _columns(source: str, features: Any) -> tuple[str, str]:
    from datasets import ClassLabel, Image

    images = [name for name, feature in features.items() if isinstance(feature, Image)]
    labels = [name for name, feature in features.items() if isinstance(feature, ClassLabel)]
    if len(images) != 1 or len(labels) != 1:
        kinds = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
        raise UserError(f"hf:{source}: needs one Image and one ClassLabel column; it has {kinds}")
    return images[0], labels[0]
