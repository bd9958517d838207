"""Rows of a data set: their columns, Arrow schema and content hash."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

import pyarrow as pa

from avbuild.modalities.base import Modality
from avbuild.modalities.registry import MODALITIES, modalities_of
from avbuild.scenarios.seeding import digest

TEXT_FILE = "text.txt"  # the name of a text where it is treated as a file


class Encoded(TypedDict):
    """One encoded file: a cell of the `audio` or `image` column, or one frame in a cell of the `video` column."""

    bytes: bytes
    path: str


Cell = Encoded | list[Encoded] | str  # a list holds the frames of a video, in order of time; a str is a text


class StoredSample(TypedDict):
    """The columns that every row has.

    Beside them a row has a cell and a `_missing` flag for each modality of its data set; `cells_of` and `missing_of`
    return these.
    """

    id: str
    label: int
    group: str
    fold: int
    corruption: str


def cells_of(sample: StoredSample) -> dict[str, Cell]:
    """Return the encoded media of a row by modality, without missing ones."""
    row = cast(dict[str, Any], sample)
    return {modality: row[modality] for modality in modalities_of(row) if row[modality] is not None}


def encoded_files(cell: Cell) -> list[Encoded]:
    """Return the files in a cell: one, or the frames of a video in order; a text is one in UTF-8."""
    if isinstance(cell, str):
        return [{"bytes": cell.encode(), "path": TEXT_FILE}]
    return cell if isinstance(cell, list) else [cell]


def cell_of(modality: Modality, files: Sequence[bytes], paths: Sequence[str]) -> Cell:
    """Return the cell that holds encoded files; undoes `encoded_files`.

    Args:
        modality: of the cell.
        files: one, or the frames of a video in order.
        paths: name of each, which a text does not keep.
    """
    if modality.plain:
        return files[0].decode()
    encoded: list[Encoded] = [{"bytes": data, "path": path} for data, path in zip(files, paths, strict=True)]
    return encoded if modality.framewise else encoded[0]


def missing_of(sample: StoredSample) -> dict[str, bool]:
    """Return, by modality, whether it is missing from a row."""
    row = cast(dict[str, Any], sample)
    return {modality: row[f"{modality}_missing"] for modality in modalities_of(row)}


def with_media(
    sample: StoredSample, cells: Mapping[str, Cell], missing: Collection[str], corruption: str
) -> StoredSample:
    """Return a row with other media.

    Args:
        sample: row to change.
        cells: modality -> new media; a modality that is left out becomes null.
        missing: modalities that become missing, besides those that are already.
        corruption: JSON record of what was done.
    """
    before = missing_of(sample)
    media = {modality: cells.get(modality) for modality in before}
    flags = {f"{modality}_missing": was or modality in missing for modality, was in before.items()}
    return cast(StoredSample, {**sample, **media, **flags, "corruption": corruption})


def schema(classes: Sequence[str], modalities: Sequence[str]) -> pa.Schema:
    """Return the Arrow schema of a row, with the `datasets` features that `load_dataset` reads.

    Args:
        classes: names in the order of their index.
        modalities: in the order of the columns.
    """
    flag = (pa.bool_(), {"dtype": "bool", "_type": "Value"})
    columns: dict[str, tuple[pa.DataType, dict[str, Any]]] = {
        "id": (pa.string(), {"dtype": "string", "_type": "Value"}),
        **{m: (MODALITIES[m].arrow_type, dict(MODALITIES[m].feature)) for m in modalities},
        "label": (pa.int64(), {"names": list(classes), "_type": "ClassLabel"}),
        "group": (pa.string(), {"dtype": "string", "_type": "Value"}),
        "fold": (pa.int32(), {"dtype": "int32", "_type": "Value"}),
        **{f"{modality}_missing": flag for modality in modalities},
        "corruption": (pa.string(), {"dtype": "string", "_type": "Value"}),
    }
    features = {name: feature for name, (_, feature) in columns.items()}
    return pa.schema(
        {name: kind for name, (kind, _) in columns.items()},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def content_hash(samples: Iterable[StoredSample]) -> str:
    """Return a hash of the rows, which does not depend on the Parquet version that wrote them."""
    return digest([_row_digest(sample) for sample in samples])


def _row_digest(sample: StoredSample) -> str:
    row = cast(dict[str, Any], sample)
    media = [_cell_hash(row[modality]) for modality in modalities_of(row)]
    plain = {key: value for key, value in sample.items() if key not in MODALITIES}
    return digest(plain, media)


def _cell_hash(cell: Cell | None) -> str | list[str] | None:
    if cell is None:
        return None
    hashes = [hashlib.sha256(file["bytes"]).hexdigest() for file in encoded_files(cell)]
    return hashes if isinstance(cell, list) else hashes[0]
