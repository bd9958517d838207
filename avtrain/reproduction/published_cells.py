"""Cells of published tables, read from a CSV file beside the code of each publication, as they were printed."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources


@dataclass(frozen=True)
class PublishedCell:
    """One number of a published table.

    Attributes:
        table: short name of the table, such as "M1".
        row: labels of its row, such as ("CREMA-D", "audio").
        column: label of its column.
        printed: the number as it was printed.
    """

    table: str
    row: tuple[str, ...]
    column: str
    printed: str

    @property
    def number(self) -> float:
        """Return the number as printed, whatever its unit."""
        return float(self.printed)

    @property
    def fraction_of_percent(self) -> float:
        """Return a printed percentage as a fraction of 1."""
        return float(Decimal(self.printed) / 100)

    def __str__(self) -> str:
        return f"{self.table}: {', '.join(self.row)}, {self.column}"


def read_table(folder: str, file: str, table: str, labels: int = 1) -> tuple[PublishedCell, ...]:
    """Read the numbers of one table, row by row.  An empty field is no number of its own in the source.

    Args:
        folder: package that holds the file.
        file: CSV, whose first line names the columns.
        table: short name of the table.
        labels: number of columns at the left that name a row.
    """
    text = resources.files(folder).joinpath(file).read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    return tuple(
        PublishedCell(table, tuple(row[:labels]), column, printed)
        for row in rows
        for column, printed in zip(header[labels:], row[labels:], strict=True)
        if printed
    )


def by_place(cells: Sequence[PublishedCell]) -> dict[tuple[str, ...], PublishedCell]:
    """Return cells by their labels: those of the row, then that of the column."""
    return {(*cell.row, cell.column): cell for cell in cells}
