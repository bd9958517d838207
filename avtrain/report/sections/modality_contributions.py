"""Contribution of each modality to clean accuracy: accuracies without the others, and Shapley values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from avtrain.report.markup import html_table, markdown_table, number_cells
from avtrain.report.results import Cell, Entry, Evaluation
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "In %, on clean data. Accuracy with only the named modalities kept; a sample that has none of them counts as "
    "wrong. Shapley value of a modality: its mean gain in accuracy over all orders of adding the modalities; the "
    "values sum to the accuracy with all of them."
)


@dataclass(frozen=True)
class Contribution:
    """Contribution of the modalities to the accuracy of one entry.

    Attributes:
        coalitions: accuracy with only some modalities kept, by their names ("audio", "image", "audio+image").
        shapley: Shapley value by modality.
    """

    coalitions: Mapping[str, Cell]
    shapley: Mapping[str, Cell]

    @property
    def seed_count(self) -> int:
        """Return the number of seeds."""
        return len(next(iter(self.shapley.values())).values)


def html(view: ReportView) -> str:
    """Return a table of the entries whose contributions were measured."""
    columns, rows = _table(view)
    if not rows:
        return ""
    html_rows = [
        f"<th scope=row>{escape(view.styles[entry].name)}</th>{number_cells(cells)}" for entry, cells in rows.items()
    ]
    return html_table("What each modality contributes", escape(NOTE), ["method"], columns, html_rows)


def markdown(view: ReportView) -> str:
    """Return a table of the entries whose contributions were measured."""
    columns, rows = _table(view)
    if not rows:
        return ""
    leaky = " (leaky split)" if view.results.leaky else ""
    heading = f"#### {view.results.manifest}{leaky}: what each modality contributes"
    return markdown_table(heading, ["method", *columns], [[entry, *cells] for entry, cells in rows.items()], NOTE)


def _table(view: ReportView) -> tuple[list[str], dict[Entry, list[str]]]:
    """Return the columns, and the cells of each entry."""
    contributions = _contributions(view)
    coalitions = _distinct(each.coalitions for each in contributions.values())
    modalities = _distinct(each.shapley for each in contributions.values())
    rows = {}
    for entry, each in contributions.items():
        cells = [each.coalitions.get(name) for name in coalitions] + [each.shapley.get(name) for name in modalities]
        rows[entry] = [*("" if cell is None else str(cell) for cell in cells), str(each.seed_count)]
    return [*coalitions, *(f"Shapley {modality}" for modality in modalities), "n"], rows


def _distinct(mappings: Iterable[Mapping[str, Cell]]) -> list[str]:
    """Return the keys of all mappings, each once."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _contributions(view: ReportView) -> dict[Entry, Contribution]:
    """Return the contributions by entry; evaluations of earlier versions have none."""
    contributions = {}
    for entry, evaluations in view.own.items():
        measured = [e for e in evaluations if "shapley" in e]
        if measured:
            contributions[entry] = _contribution([e for e in measured if e["scenario"] == measured[0]["scenario"]])
    return contributions


def _contribution(evaluations: Sequence[Evaluation]) -> Contribution:
    ordered = sorted(evaluations, key=lambda e: int(e["seed"]))

    def cells(key: str) -> dict[str, Cell]:
        return {name: Cell(tuple(e[key][name] for e in ordered)) for name in ordered[0][key]}

    return Contribution(cells("coalitions"), cells("shapley"))


SECTION = Section("modality_contributions", html, markdown)
