"""Tables of a report: rows by scenarios, mean and standard deviation over seeds; and curves over severity."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avtrain.config import SELECTED_ON_TEST
from avtrain.report.results import Cell, Entry, Evaluation, Results, by_field_order, own_scenarios

MEAN = "mean"
PARTLY = "† Some of its corruptions were in training too, under another scenario, seed or strength."


@dataclass(frozen=True)
class Table:
    """Accuracies under the scenarios of one manifest."""

    manifest: str  # trained on
    other: str | None  # the scenarios', where that is not the one trained on
    leaky: bool
    scenarios: tuple[str, ...]
    rows: Mapping[Entry, Mapping[str, Cell]]  # by scenario, and "mean"
    partly_trained_on: tuple[str, ...] = ()  # scenarios of another manifest with a corruption that training drew too

    @property
    def title(self) -> str:
        """What it shows, and what flatters it: a leaky split, selection on test."""
        tested = f", never trained on: {self.other}" if self.other else ""
        marks = [" (leaky split)"] if self.leaky else []
        if flattered := [entry for entry in self.rows if entry.warning]:
            marks.append(f" ({'' if len(flattered) == len(self.rows) else 'some rows '}{SELECTED_ON_TEST})")
        return f"{self.manifest}{tested}{''.join(marks)}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The scenarios, and their mean."""
        return (*self.scenarios, MEAN)

    def heading(self, column: str) -> str:
        """A column's name; with a † where `PARTLY` holds."""
        return f"{column}†" if column in self.partly_trained_on else column

    def leads(self, entry: Entry, column: str) -> bool:
        """Whether a row has the highest mean of a column, among those selected on the same split."""
        row = self.rows[entry]
        alike = [r for other, r in self.rows.items() if other.selected_on == entry.selected_on and column in r]
        return column in row and row[column].mean == max(r[column].mean for r in alike)

    def seeds(self, entry: Entry) -> int:
        """Runs behind a row."""
        return max(len(cell.values) for cell in self.rows[entry].values())


@dataclass(frozen=True)
class Curve:
    """Accuracies by severity of one scenario; severity 0 is clean data."""

    scenario: str
    other: str | None  # the manifest it comes from, where that is not the one trained on
    rows: Mapping[Entry, Mapping[int, Cell]]


def tables(results: Results) -> list[Table]:
    """First the scenarios of the manifest itself, then those of each other manifest."""
    listed = [e for e in results.evaluations if e["listed"]]
    others = sorted(dict.fromkeys(e["other_manifest"] for e in listed), key=lambda name: name or "")
    return [_table(results, other) for other in others]


def _table(results: Results, other: str | None) -> Table:
    entries = {
        entry: [e for e in found if e["listed"] and e["other_manifest"] == other]
        for entry, found in results.entries.items()
    }
    listed = [e for found in entries.values() for e in found]
    scenarios = by_field_order([e["scenario"] for e in listed])
    rows = {entry: _row(found, scenarios) for entry, found in entries.items() if found}
    partly = {e["scenario"] for e in listed if other and e["ops_trained_on"]}
    return Table(results.manifest, other, results.leaky, scenarios, rows, by_field_order(list(partly)))


def _row(evaluations: Sequence[Evaluation], scenarios: Sequence[str]) -> dict[str, Cell]:
    by_scenario: dict[str, dict[int, float]] = defaultdict(dict)
    for e in evaluations:
        by_scenario[e["scenario"]][e["seed"]] = e["accuracy"]
    row = {name: _cell(by_seed) for name, by_seed in by_scenario.items()}
    complete = set.intersection(*(set(by_scenario.get(name, {})) for name in scenarios))
    if complete:  # a mean over other scenarios than a neighbour's would mislead
        row[MEAN] = _cell({seed: float(np.mean([by_scenario[n][seed] for n in scenarios])) for seed in complete})
    return row


def _cell(by_seed: Mapping[int, float]) -> Cell:
    return Cell(tuple(by_seed[seed] for seed in sorted(by_seed)))


def curves(results: Results) -> list[Curve]:
    """One a scenario that was scored at severities."""
    swept = [e for e in results.evaluations if e["severity"]]
    keys = dict.fromkeys((e["other_manifest"], e["base_scenario"]) for e in swept)
    bases = by_field_order([base for _, base in keys])
    ordered = sorted(keys, key=lambda key: (key[0] or "", bases.index(key[1])))
    return [_curve(results, other, base) for other, base in ordered]


def _curve(results: Results, other: str | None, base: str) -> Curve:
    rows = {}
    for entry, found in results.entries.items():
        by_severity: dict[int, dict[int, float]] = defaultdict(dict)
        for e in found:
            if e["severity"] and (e["other_manifest"], e["base_scenario"]) == (other, base):
                by_severity[e["severity"]][e["seed"]] = e["accuracy"]
        if not by_severity:
            continue
        for e in own_scenarios(found):
            if e["severity"] == 0:
                by_severity[0][e["seed"]] = e["accuracy"]
        rows[entry] = {severity: _cell(by_severity[severity]) for severity in sorted(by_severity)}
    return Curve(base, other, rows)
