"""Read a table of the user: CSV, TSV, JSON lines or Parquet, every cell as text, every row with its line."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from avbuild.errors import UsageError, UserError, listed
from avbuild.sources.corpus import Problem
from avbuild.sources.names import printable
from avbuild.sources.tables import csv_rows, some
from avbuild.text_files import read_text

LONGEST_CELL = 1 << 24  # characters: a whole book


class NotText(str):
    """A cell that holds no text, but for example a list; its value says what."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """One row: where it stands, and its cells by column."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class UserTable:
    """The rows of a table, and the lines that cannot be read."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[NumberedRow, ...]
    problems: tuple[Problem, ...] = ()
    unit: str = "line"  # what `line` counts: lines of a file, or rows where there are no lines

    def place(self, line: int) -> str:
        """Return what problems call a row: `metadata.csv line 12`."""
        return f"{printable(self.path.name)} {self.unit} {line}"


def read_user_table(path: Path) -> UserTable:
    """Read a table.

    Args:
        path: UTF-8, with or without a byte order mark; its suffix says the format.

    Raises UsageError where there is no such table or its format is another one, UserError where it holds no rows.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        hint = HINTS.get(suffix, f"allowed: {', '.join(READERS)}")
        raise UsageError(f"--table {path}: {suffix or 'no suffix'} is no format of a table; {hint}")
    if not path.is_file():
        raise UsageError(f"--table {path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    table = READERS[suffix](path)
    if repeated := sorted({name for name in table.columns if table.columns.count(name) > 1}):
        raise UserError(f"{path}: two columns are called {some(tuple(repeated))}; rename one")
    if not table.rows:
        reasons = f" that can be read:\n{listed(table.problems, 10)}" if table.problems else ""
        raise UserError(f"{path}: holds no rows{reasons}")
    return table


def _read_csv(path: Path, delimiter: str = ",") -> UserTable:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        return _csv_table(path, delimiter)
    finally:
        csv.field_size_limit(before)


def _csv_table(path: Path, delimiter: str) -> UserTable:
    lines = csv_rows(path, delimiter)
    try:
        header = tuple(cell.strip() for cell in next(lines, (1, []))[1])
    except csv.Error as error:
        raise UserError(f"{path}: is not CSV: {error}") from None
    if len(header) == 1 and (other := next((mark for mark in ";\t" if mark in header[0]), "")):
        named = "tabs" if other == "\t" else f"{other!r}"
        raise UserError(f"{path}: its columns are separated by {named}; save it with commas, or as .tsv with tabs")
    rows, problems, line = [], [], 1
    table = UserTable(path, header, ())
    try:
        for line, cells in lines:
            if len(cells) == len(header):
                rows.append(NumberedRow(line, dict(zip(header, cells, strict=True))))
            else:
                what = f"wrong number of columns: {len(cells)}; the first line has {len(header)}"
                problems.append(Problem(table.place(line), what))
    except csv.Error as error:
        problems.append(Problem(table.place(line), f"not CSV from the next line on: {error}"))
    return UserTable(path, header, tuple(rows), tuple(problems))


def _read_json_lines(path: Path) -> UserTable:
    rows, problems = [], []
    columns: dict[str, None] = {}
    table = UserTable(path, (), ())
    for line, text in enumerate(read_text(path, "table").split("\n"), start=1):
        if not text.strip():
            continue
        try:
            values = json.loads(text, object_pairs_hook=_without_repeated_keys)
            if not isinstance(values, dict):
                raise ValueError('expected an object, such as {"audio": "a.wav", "label": "dog"}')
        except (ValueError, RecursionError) as error:
            problems.append(Problem(table.place(line), f"not a JSON object: {error}"))
            continue
        columns |= dict.fromkeys(values)
        rows.append(NumberedRow(line, {key: _as_text(value) for key, value in values.items()}))
    names = tuple(columns)
    whole = tuple(NumberedRow(row.line, {name: row.cells.get(name, "") for name in names}) for row in rows)
    return UserTable(path, names, whole, tuple(problems))


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return found


def _read_parquet(path: Path) -> UserTable:
    try:
        file = pq.ParquetFile(path)
        kinds = {field.name: field.type for field in file.schema_arrow}
        plain = [name for name, kind in kinds.items() if _is_plain(kind)]
        read = file.read(columns=plain).to_pylist() if plain else [{}] * file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: is not a readable Parquet file: {str(error).splitlines()[0]}") from None
    others = {name: NotText(f"{kind}"[:60]) for name, kind in kinds.items() if name not in plain}
    rows = [
        NumberedRow(number, {name: others[name] if name in others else _as_text(row[name]) for name in kinds})
        for number, row in enumerate(read, start=1)
    ]
    return UserTable(path, tuple(file.schema_arrow.names), tuple(rows), unit="row")


def _is_plain(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests: Iterable[Callable[[pa.DataType], bool]] = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_null,
    )
    return any(test(value) for test in tests)


def _as_text(value: object) -> str:
    """Return a cell as text; null is the empty text, and 3.0 is 3, as programs write whole numbers with gaps."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    return NotText("a list" if isinstance(value, list) else "an object")


READERS: Mapping[str, Callable[[Path], UserTable]] = {
    ".csv": _read_csv,
    ".tsv": lambda path: _read_csv(path, "\t"),
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
HINTS = {
    ".json": "write one object a line, and call it .jsonl",
    ".xlsx": "save it from the program as CSV UTF-8",
    ".xls": "save it from the program as CSV UTF-8",
    ".txt": "call it .csv where commas separate its columns, .tsv where tabs do",
}
