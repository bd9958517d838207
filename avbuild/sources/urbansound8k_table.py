"""UrbanSound8K.csv: the official table of slices, folds and classes."""

import re
from dataclasses import dataclass
from pathlib import Path

from avbuild.sources.tables import BadRow, Row, Unique, file_name, number, parse_rows, some

CLASSES = (
    "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling",
    "engine_idling", "gun_shot", "jackhammer", "siren", "street_music",
)  # fmt: skip
FOLDS = 10
COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
SLICE_NAME = re.compile(r"([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)")  # [fsID]-[classID]-[occurrenceID]-[sliceID]


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

    Raises UserError where its columns are not as published, or that names all rows which contradict themselves or each
    other.
    """
    names = Unique("the name")
    return parse_rows(path, _wrong_columns, lambda row: _parse(row, names))


def _wrong_columns(found: tuple[str, ...]) -> str | None:
    return None if found == COLUMNS else f"columns are {some(found)}; expected {', '.join(COLUMNS)}"


def _parse(row: Row, names: Unique) -> TableRow:
    file, recording = file_name(row, "slice_file_name"), row["fsID"]
    fold, class_id = number(row, "fold", 1, FOLDS), number(row, "classID", 0, len(CLASSES) - 1)
    if row["class"] != CLASSES[class_id]:
        raise BadRow(f"classID {class_id} is {CLASSES[class_id]}, but class says {row['class'][:40]!r}")
    if not recording.strip():
        raise BadRow("fsID is empty; expected the number of the recording")
    stem = Path(file).stem
    named = SLICE_NAME.fullmatch(stem)
    if named and (named[1], int(named[2])) != (recording, class_id):
        raise BadRow(
            f"{file} is of recording {named[1]} and class {named[2]}, but the row says {recording}, {class_id}"
        )
    names.add(stem)
    return TableRow(file, recording, fold, CLASSES[class_id])


def official_table(sources: Path) -> Path | None:
    """Return the official table, or None where UrbanSound8K is not unpacked in the sources folder."""
    table = sources / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv"
    return table if table.is_file() else None
