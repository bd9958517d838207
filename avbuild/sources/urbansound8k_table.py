"""UrbanSound8K.csv: the official table of slices, folds and classes."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError

CLASSES = (
    "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling",
    "engine_idling", "gun_shot", "jackhammer", "siren", "street_music",
)  # fmt: skip
COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
SLICE_NAME = re.compile(r"(\d+)-(\d+)-(\d+)-(\d+)")  # [fsID]-[classID]-[occurrenceID]-[sliceID]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of UrbanSound8K.csv."""

    file: str
    recording: str
    fold: int
    label: str


def read_table(path: Path) -> list[TableRow]:
    """Read UrbanSound8K.csv.

    Args:
        path: of the file.

    Raises UserError where its columns or a row are not as published.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UserError(f"{path}: columns are {', '.join(reader.fieldnames or ())}; expected {', '.join(COLUMNS)}")
        rows = []
        for line, row in enumerate(reader, start=2):
            try:
                rows.append(
                    TableRow(row["slice_file_name"], row["fsID"], int(row["fold"]), CLASSES[int(row["classID"])])
                )
            except (ValueError, IndexError, TypeError):
                raise UserError(
                    f"{path}: line {line}: fold {row['fold']!r}, classID {row['classID']!r}; "
                    f"expected numbers 1 to 10 and 0 to 9"
                ) from None
    return rows


def official_table(sources: Path) -> Path | None:
    """Return the official table, or None where UrbanSound8K is not unpacked in the sources folder."""
    table = sources / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv"
    return table if table.is_file() else None
