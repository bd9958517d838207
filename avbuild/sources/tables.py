"""Tables of published corpora: every row is checked, and all that are wrong are in one error with their lines."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar

from avbuild.errors import UserError, listed
from avbuild.text_files import read_text

LONGEST_NAME = 255  # bytes of a file name, on all usual file systems
NUMBER = re.compile(r"[0-9]{1,9}")  # str.isdigit also accepts superscripts and the digits of other scripts

Row = Mapping[str, str]  # column -> text
Parsed = TypeVar("Parsed")


class BadRow(Exception):
    """A row that breaks a rule of its table; the message says what was found and what is allowed."""


def parse_rows(
    path: Path, columns: Callable[[tuple[str, ...]], str | None], parse: Callable[[Row], Parsed]
) -> list[Parsed]:
    """Read a CSV file with a header, and convert every row.

    Args:
        path: UTF-8 file.
        columns: returns what is wrong with the names in the header, or None.
        parse: converts a row; raises BadRow for one that breaks a rule.

    Raises UserError that names all bad rows with their lines.
    """
    rows = csv_rows(path)
    try:
        header = next(rows, (1, []))[1]
    except csv.Error as error:
        raise UserError(f"{path}: is not CSV: {error}") from None
    if problem := columns(tuple(header)):
        raise UserError(f"{path}: {problem}")
    parsed, problems = [], []
    try:
        for line, cells in rows:
            try:
                if len(cells) != len(header):
                    raise BadRow(f"{len(cells)} columns; the first line has {len(header)}")
                parsed.append(parse(dict(zip(header, cells, strict=True))))
            except BadRow as bad:
                problems.append(f"line {line:<6} {str(bad)[:300]}")  # a cell may be of any length
    except csv.Error as error:
        problems.append(f"from there on, it is not CSV: {error}")
    if problems:
        raise UserError(f"{path}: {len(problems):,} problems; repair these lines\n{listed(problems)}")
    if not parsed:
        raise UserError(f"{path}: holds no rows")
    return parsed


def csv_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row starts, and its cells; empty lines are skipped."""
    reader = csv.reader(io.StringIO(read_text(path, "table"), newline=""), strict=True, delimiter=delimiter)
    start = 1
    for cells in reader:
        if cells:
            yield start, cells
        start = reader.line_num + 1


def file_name(row: Row, column: str) -> str:
    """Return the file name in a column.

    Raises BadRow where it is empty, too long, or leads out of the folder.
    """
    name = row[column]
    if not name.strip():
        raise BadRow(f"{column} is empty; expected the name of a file")
    if name in (".", "..") or PurePosixPath(name).name != name or PureWindowsPath(name).name != name:
        raise BadRow(f"{column} {name[:80]!r} is no plain file name, but a path")
    if not name.isprintable():
        raise BadRow(f"{column} {name[:80]!r} holds control characters")
    if len(name.encode()) > LONGEST_NAME:
        raise BadRow(f"{column} {name[:40]!r}... is longer than {LONGEST_NAME} bytes")
    return name


def number(row: Row, column: str, low: int, high: int) -> int:
    """Return the whole number in a column.

    Raises BadRow for anything else and for a number outside `low` to `high`.
    """
    text = row[column]
    if not NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise BadRow(f"{column} {text[:40]!r}; expected a number from {low} to {high}")
    return int(text)


def some(columns: tuple[str, ...]) -> str:
    """Return the names of columns for an error, cut where they are too many to read."""
    text = ", ".join(columns)
    return f"{text[:160]!r} ..." if len(text) > 160 or not text.isprintable() else text or "none"


class Unique:
    """Values that may stand in one row only."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.seen: set[str] = set()

    def add(self, value: str) -> None:
        """Remember a value.  Raises BadRow for one that was there before."""
        if value in self.seen:
            raise BadRow(f"{self.what} {value!r} is already in a row above")
        self.seen.add(value)
