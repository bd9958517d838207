"""UrbanSound8K: 8,732 clips of city sounds, in ten classes and ten folds."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.corpus import AudioCorpus, Clip, Credit, LocalFile, Problem

CLASSES = (
    "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling",
    "engine_idling", "gun_shot", "jackhammer", "siren", "street_music",
)  # fmt: skip
COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
SLICE_NAME = re.compile(r"(\d+)-(\d+)-(\d+)-(\d+)")  # [fsID]-[classID]-[occurrenceID]-[sliceID]
CREDIT = Credit(
    name="UrbanSound8K",
    licence="CC BY-NC 3.0",
    homepage="https://urbansounddataset.weebly.com/urbansound8k.html",
    citation="J. Salamon, C. Jacoby, J. P. Bello: A Dataset and Taxonomy for Urban Sound Research, ACM MM 2014",
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of UrbanSound8K.csv."""

    file: str
    recording: str
    fold: int
    label: str


def read_urbansound8k(root: Path, folds: Sequence[int] | None = None) -> AudioCorpus:
    """Read the official layout: `audio/fold1..10/*.wav` and `metadata/UrbanSound8K.csv`, or both at the top level.

    root: that folder, or the one around it.  folds: only these.  Raises UserError where root is no UrbanSound8K.
    """
    table, audio = _find_layout(root)
    rows = [row for row in read_table(table) if folds is None or row.fold in folds]
    if not rows:
        raise UserError(f"{table}: lists no clip of fold {', '.join(map(str, folds or ()))}; folds are 1 to 10")
    clips, problems = [], []
    for row in rows:
        path = audio / f"fold{row.fold}" / row.file
        if problem := file_problem(path):
            problems.append(problem)
        else:
            clips.append(Clip(path.stem, row.label, row.recording, row.fold, LocalFile(str(path))))
    problems += _unlisted(audio, {(row.fold, row.file) for row in rows}, sorted({row.fold for row in rows}))
    return AudioCorpus(CREDIT, CLASSES, tuple(clips), tuple(problems), _notes(rows))


def is_urbansound8k(root: Path) -> bool:
    """Whether a folder has a layout that `read_urbansound8k` reads."""
    return _layout(root) is not None


def _layout(root: Path) -> tuple[Path, Path] | None:
    """The table, and the folder that holds the fold folders."""
    for base in (root, root / "UrbanSound8K"):
        for table, audio in (
            (base / "metadata" / "UrbanSound8K.csv", base / "audio"),
            (base / "UrbanSound8K.csv", base),
        ):
            if table.is_file() and audio.is_dir():
                return table, audio
    return None


def _find_layout(root: Path) -> tuple[Path, Path]:
    if layout := _layout(root):
        return layout
    there = ", ".join(sorted(path.name for path in root.iterdir())[:8]) if root.is_dir() else "no such folder"
    raise UserError(
        f"{root}: no UrbanSound8K here, but {there or 'nothing'}; looked for metadata/UrbanSound8K.csv, audio/fold1/"
    )


def read_table(path: Path) -> list[TableRow]:
    """The rows of UrbanSound8K.csv.  Raises UserError where its columns or a row are not the official ones."""
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


def recordings_across_folds(rows: Iterable[TableRow] | Iterable[Clip]) -> dict[str, list[int]]:
    """Recordings with slices in more than one fold, with those folds; the official table has five."""
    folds: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        folds[row.recording if isinstance(row, TableRow) else row.group].add(row.fold)
    return {recording: sorted(found) for recording, found in sorted(folds.items()) if len(found) > 1}


def file_problem(path: Path) -> Problem | None:
    """Whether a file is absent or empty."""
    try:
        return Problem(str(path), "empty") if path.stat().st_size == 0 else None
    except FileNotFoundError:
        return Problem(str(path), "missing")


def _unlisted(audio: Path, listed: set[tuple[int, str]], folds: Sequence[int]) -> list[Problem]:
    found = ((fold, path) for fold in folds for path in sorted((audio / f"fold{fold}").glob("*")))
    return [
        Problem(str(path), "not in UrbanSound8K.csv")
        for fold, path in found
        if not path.name.startswith(".") and (fold, path.name) not in listed
    ]


def _notes(rows: Sequence[TableRow]) -> tuple[str, ...]:
    crossing = recordings_across_folds(rows)
    if not crossing:
        return ()
    named = ", ".join(f"{recording} (folds {' and '.join(map(str, folds))})" for recording, folds in crossing.items())
    return (
        f"{len(crossing)} recordings have slices in two official folds, so the folds leak a little: {named}. "
        "The grouped split keeps each whole; with official folds their slices outside the test fold are left out.",
    )
