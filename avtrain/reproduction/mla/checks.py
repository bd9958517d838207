"""Statements of MLA's tables about one another, checked by arithmetic alone."""

from dataclasses import replace
from itertools import pairwise

from avtrain.reproduction.arithmetic import ArithmeticCheck
from avtrain.reproduction.mla.published import CELLS_1, CELLS_2, CELLS_3, MULTI
from avtrain.reproduction.published_cells import PublishedCell, by_place


def same_cells(
    says: str,
    first: tuple[PublishedCell, ...],
    second: tuple[PublishedCell, ...],
    columns: tuple[str, str],
) -> ArithmeticCheck:
    """Return whether a column of one table equals a column of another in every row that both have.

    Args:
        says: the statement.
        first: cells of one table.
        second: cells of the other.
        columns: one of each.
    """
    ours, theirs = (
        {cell.row: cell.printed for cell in cells if cell.column == column}
        for cells, column in zip((first, second), columns, strict=True)
    )
    shared = [row for row in ours if row in theirs]
    unequal = [f"{', '.join(row)}: {ours[row]} and {theirs[row]}" for row in shared if ours[row] != theirs[row]]
    working = f"{len(shared) - len(unequal)} of {len(shared)} cells are equal"
    return ArithmeticCheck(says, not unequal, "; ".join([working, *unequal]))


def falls_with_rate(cells: tuple[PublishedCell, ...]) -> ArithmeticCheck:
    """Return whether every method of Table 2 falls from each missing rate to the next."""
    rows: dict[tuple[str, ...], list[PublishedCell]] = {}
    for cell in cells:
        rows.setdefault(cell.row, []).append(cell)
    rises = [
        f"{cell.row[0]} rises from {cell.printed} at {cell.column} % to {after.printed} at {after.column} %"
        for row in rows.values()
        for cell, after in pairwise(row)
        if after.number > cell.number
    ]
    says = "the more is missing, the lower the accuracy (Table 2)"
    return ArithmeticCheck(says, not rises, "; ".join(rises) or "every row falls")


def step_at_ten_percent() -> ArithmeticCheck:
    """Return whether MLA at a missing rate of 10 % is at most as good as at none."""
    whole, ten = by_place(CELLS_1)["IEMOCAP", "multi", "MLA"], by_place(CELLS_2)["MLA", "10"]
    says = "MLA with 10 % missing is below MLA with nothing missing (Tables 1 and 2, IEMOCAP)"
    return ArithmeticCheck(says, ten.number < whole.number, f"{ten.printed} and {whole.printed}")


CHECKS = (
    same_cells(
        "late fusion is MLA with neither of its parts (Tables 1 and 3)", CELLS_1, CELLS_3, ("Late fusion", "neither")
    ),
    same_cells(
        "MLA is the ablation with both parts; for one modality alone, with head gradient modification (Tables 1 and 3)",
        CELLS_1,
        tuple(replace(c, column="MLA") for c in CELLS_3 if c.column == ("both" if c.row[1] == MULTI else "HGM alone")),
        ("MLA", "MLA"),
    ),
    falls_with_rate(CELLS_2),
    step_at_ten_percent(),
)
