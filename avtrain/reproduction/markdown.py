"""What the pages of all reproductions are written with."""

from collections.abc import Iterable
from typing import Any

from avtrain.report.results import Cell
from avtrain.reproduction.verdict import NOT_COMPARABLE, Verdict

UNKNOWN = "not known"


class Notes:
    """Reasons, each written once below a table and cited by its number."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def cite(self, verdict: Verdict) -> str:
        """The numbers of its reasons; a verdict from numbers says why in its own words."""
        if verdict.word != NOT_COMPARABLE:
            return "; ".join(verdict.why)
        self.known += [reason for reason in verdict.why if reason not in self.known]
        return ", ".join(map(str, sorted(self.known.index(reason) + 1 for reason in verdict.why)))

    def lines(self) -> list[str]:
        """What the numbers stand for."""
        return ["", *(f"{number}. {reason}" for number, reason in enumerate(self.known, 1))] if self.known else []


def table_head(columns: Iterable[str]) -> list[str]:
    """The first two lines of a table."""
    named = list(columns)
    return [table_line(named), "| " + " | ".join("---" for _ in named) + " |"]


def table_line(cells: Iterable[object]) -> str:
    """A line of it."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def cell_as_json(cell: Cell) -> dict[str, Any]:
    """A cell, unrounded."""
    return {"mean": cell.mean, "std": cell.std, "n": len(cell.values), "values": list(cell.values)}
