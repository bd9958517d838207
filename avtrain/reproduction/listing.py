"""The lists of `avtrain reproduce --list`: published numbers, the command that makes each, and the data it needs."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal, get_args

from avbuild.errors import UsageError, nearest
from avtrain.reproduction.catalogue import CHECKS, RECORD, CataloguedTable, records, tables_of
from avtrain.reproduction.summary import arithmetic_lines, columns

ListFormat = Literal["text", "json", "csv"]
FORMATS: tuple[str, ...] = get_args(ListFormat)


def listing(command: str | None, how: str) -> str:
    """Return the list of the published numbers.

    Args:
        command: whose tables; None: of all.
        how: text, json or csv.

    Raises UsageError where the format is unknown.
    """
    if how not in FORMATS:
        raise UsageError(f'--format: no "{how}"{nearest(how, FORMATS)}; allowed: {", ".join(FORMATS)}')
    tables = tables_of(command)
    if how == "json":
        return json.dumps(records(tables), indent=1, ensure_ascii=False)
    if how == "csv":
        return _as_csv(tables)
    return "\n".join(_as_text(tables, command))


def _as_csv(tables: Sequence[CataloguedTable]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, RECORD, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(tables))
    return file.getvalue().rstrip("\n")


def _as_text(tables: Sequence[CataloguedTable], command: str | None) -> list[str]:
    lines = []
    for table in tables:
        lines += [f"{table.name}  {table.title}: {len(table.cells)} numbers ({table.unit})", ""]
        lines += [f"  {line}" for line in _grid(table)]
        lines.append("")
        for label, need in table.needs.items():
            count = sum(table.need(cell) is need for cell in table.cells)
            head = f"{label}, {count} numbers" if label else f"{count} numbers"
            lines += [f"  {head}: {table.command_for(need)}", f"    data: {need.data}"]
        lines.append("")
    groups = CHECKS.values() if command is None else (CHECKS[command],)
    lines += arithmetic_lines(dict.fromkeys(check for group in groups for check in group))
    total = sum(len(table.cells) for table in tables)
    return [*lines, "", f"{total} published numbers in {len(tables)} tables"]


def _grid(table: CataloguedTable) -> list[str]:
    """Return the table as it was printed; a place without a number of its own is empty."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for cell in table.cells:
        rows.setdefault(cell.row, {})[cell.column] = cell.printed
    most = max(len(found) for found in rows.values())
    names = next(list(found) for found in rows.values() if len(found) == most)  # in the order of the publication
    header = (*[""] * len(next(iter(rows))), *names)
    return columns([header, *((*row, *(found.get(name, "") for name in names)) for row, found in rows.items())])
