"""Accuracies of a report, mean and standard deviation over seeds: entries by scenarios, and by severity."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from avtrain.config import SELECTED_ON_TEST
from avtrain.data.masks import MissingShares
from avtrain.evaluation.missing_lines import missing_by_scenario
from avtrain.evaluation.significance import LEVEL
from avtrain.report.results import (
    Cell,
    Entry,
    Evaluation,
    Results,
    display_order,
    mean_by_repeat,
    own_scenarios,
    scenario_order,
)

MEAN = "mean"  # the column with the mean over scenarios
LEAST_DISCRIMINATION = 2.0  # range of means over standard error, below which a condition says nothing of the methods
PARTLY_TRAINED_ON = "† Training used some of its corruptions too, in another scenario or with another seed or severity."


@dataclass(frozen=True)
class ColumnTests:
    """Paired tests of every entry against the best one of each column.

    Attributes:
        p_values: column -> entry -> p-value, corrected for the number of tests in the column; the best has none.
        standard_errors: column -> standard error of the difference of two entries, pooled over all pairs.
        groups: number of recordings or speakers that the bootstrap draws from.
        problem: why the columns without p-values have none; empty where all have been tested.
    """

    p_values: Mapping[str, Mapping[Entry, float]]
    standard_errors: Mapping[str, float]
    groups: int
    problem: str


UNTESTED = ColumnTests({}, {}, 0, "")


@dataclass(frozen=True)
class Table:
    """Accuracies on the scenarios of one manifest.

    Attributes:
        manifest: name of the manifest trained on.
        other_manifest: name of the manifest that the scenarios come from; None if it is the one trained on.
        leaky: whether a recording is in two splits.
        scenarios: columns, in order.
        rows: cells by entry and column; an entry lacks the columns it was not evaluated on.
        partly_trained_on: scenarios of another manifest with a corruption that training used too.
        samples: number of test samples; None where it is not the same everywhere or not known.
        tests: which differences are real.
        missing: scenario that makes modalities missing -> nominal rate, and the shares that are really missing.
    """

    manifest: str
    other_manifest: str | None
    leaky: bool
    scenarios: tuple[str, ...]
    rows: Mapping[Entry, Mapping[str, Cell]]
    partly_trained_on: tuple[str, ...] = ()
    samples: int | None = None
    tests: ColumnTests = UNTESTED
    missing: Mapping[str, tuple[str, MissingShares]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return the manifests' names, with a warning where the split is leaky or epochs were selected on test."""
        tested = f", never trained on: {self.other_manifest}" if self.other_manifest else ""
        marks = [" (leaky split)"] if self.leaky else []
        if marked := [entry for entry in self.rows if entry.warning]:
            marks.append(f" ({'' if len(marked) == len(self.rows) else 'some rows '}{SELECTED_ON_TEST})")
        return f"{self.manifest}{tested}{''.join(marks)}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the scenarios, then their mean."""
        return (*self.scenarios, MEAN)

    def heading(self, column: str) -> str:
        """Return the name of a column; with a † where `PARTLY_TRAINED_ON` applies."""
        return f"{column}†" if column in self.partly_trained_on else column

    def is_best(self, entry: Entry, column: str) -> bool:
        """Return whether an entry has the highest mean of a column, apart from or among those selected on test."""
        row = self.rows[entry]
        rivals = [r for other, r in self.rows.items() if other.warning == entry.warning and column in r]
        return column in row and row[column].mean == max(r[column].mean for r in rivals)

    def is_bold(self, entry: Entry, column: str) -> bool:
        """Return whether an entry is the best of a column, or a paired test cannot tell it from the best."""
        return self.is_best(entry, column) or self.tests.p_values.get(column, {}).get(entry, 0.0) >= LEVEL

    def range(self, column: str) -> float:
        """Return the highest mean of a column minus the lowest."""
        means = [row[column].mean for row in self.rows.values() if column in row]
        return max(means) - min(means)

    def discrimination(self, column: str) -> float | None:
        """Return the range of a column over the standard error of a difference; None where it is not known."""
        if column not in self.tests.standard_errors:
            return None
        spread, error = self.range(column), self.tests.standard_errors[column]
        return spread / error if error else float("inf") if spread else 0.0

    @property
    def missing_note(self) -> str:
        """Return what is really missing under each scenario, in one line of plain text; empty where nothing is."""
        found = [f"{scenario}: {rate}, {shares}" for scenario, (rate, shares) in self.missing.items()]
        return f"Missing modalities: {'; '.join(found)}." if found else ""

    @property
    def discrimination_note(self) -> str:
        """Return which columns cannot tell the methods apart; empty where all can, or that is not known."""
        found = {column: self.discrimination(column) for column in self.columns}
        weak = [column for column, value in found.items() if value is not None and value < LEAST_DISCRIMINATION]
        return f"Cannot tell these methods apart: {', '.join(weak)}." if weak else ""

    @property
    def test_note(self) -> str:
        """Return how bold cells were chosen, in one line of plain text."""
        if not self.tests.p_values:
            why = f": {self.tests.problem}" if self.tests.problem else ""
            return f"Bold: the highest mean of each column; differences are not tested{why}."
        note = (
            f"Bold: the best of each column, and everything not distinguishable from it (paired bootstrap over "
            f"{self.tests.groups:,} groups and the seeds, Holm-corrected over the column, p ≥ {LEVEL:g})."
        )
        return f"{note} Not tested everywhere: {self.tests.problem}." if self.tests.problem else note

    @property
    def size_note(self) -> str:
        """Return the number of test samples and of seeds, such as `837 test samples, 3 seeds`."""
        counts = sorted({self.seed_count(entry) for entry in self.rows})
        seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s'[: counts[0] > 1]}"
        return f"{self.samples:,} test samples, {seeds}" if self.samples else seeds

    def seed_count(self, entry: Entry) -> int:
        """Return the number of seeds of an entry, in the cell that has most."""
        return max(len(cell.values) for cell in self.rows[entry].values())


@dataclass(frozen=True)
class SeverityCurve:
    """Accuracies on one scenario by severity.

    Attributes:
        scenario: name of the scenario.
        other_manifest: name of the manifest that it comes from; None if it is the one trained on.
        rows: cells by entry and severity, 0 (clean data) to 5.
    """

    scenario: str
    other_manifest: str | None
    rows: Mapping[Entry, Mapping[int, Cell]]


def accuracy_tables(results: Results) -> list[Table]:
    """Return one table a manifest evaluated on: the one trained on first, the others in alphabetical order."""
    listed = [e for e in results.evaluations if e["listed"]]
    others = sorted(dict.fromkeys(e["other_manifest"] for e in listed), key=lambda name: name or "")
    return [_table(results, other) for other in others]


def severity_curves(results: Results) -> list[SeverityCurve]:
    """Return one curve a scenario that was evaluated at several severities."""
    graded = [e for e in results.evaluations if e["severity"]]
    keys = dict.fromkeys((e["other_manifest"], e["base_scenario"]) for e in graded)
    scenarios = display_order([scenario for _, scenario in keys])
    ordered = sorted(keys, key=lambda key: (key[0] or "", scenarios.index(key[1])))
    return [_curve(results, other, scenario) for other, scenario in ordered]


def _table(results: Results, other: str | None) -> Table:
    entries = {
        entry: [e for e in evaluations if e["listed"] and e["other_manifest"] == other]
        for entry, evaluations in results.entries.items()
    }
    listed = [e for evaluations in entries.values() for e in evaluations]
    scenarios = scenario_order(listed)
    rows = {entry: _row(evaluations, scenarios) for entry, evaluations in entries.items() if evaluations}
    partly = {e["scenario"] for e in listed if other and e["ops_trained_on"]}
    sizes = {e.get("n") for e in listed}
    samples = sizes.pop() if len(sizes) == 1 else None
    found = missing_by_scenario(listed)
    return Table(
        results.manifest,
        other,
        results.leaky,
        scenarios,
        rows,
        display_order(list(partly)),
        samples,
        missing={name: found[name] for name in scenarios if name in found},
    )


def _row(evaluations: Sequence[Evaluation], scenarios: Sequence[str]) -> dict[str, Cell]:
    of_scenario: dict[str, list[Evaluation]] = defaultdict(list)
    for e in evaluations:
        of_scenario[e["scenario"]].append(e)
    by_scenario = {name: mean_by_repeat(found) for name, found in of_scenario.items()}
    row = {name: _cell(by_seed) for name, by_seed in by_scenario.items()}
    complete = set.intersection(*(set(by_scenario.get(name, {})) for name in scenarios))
    if complete:  # means over different scenarios must not stand in one column
        row[MEAN] = _cell({seed: float(np.mean([by_scenario[n][seed] for n in scenarios])) for seed in complete})
    return row


def _curve(results: Results, other: str | None, scenario: str) -> SeverityCurve:
    rows = {}
    for entry, evaluations in results.entries.items():
        by_severity: dict[int, list[Evaluation]] = defaultdict(list)
        for e in evaluations:
            if e["severity"] and (e["other_manifest"], e["base_scenario"]) == (other, scenario):
                by_severity[e["severity"]].append(e)
        if not by_severity:
            continue
        for e in own_scenarios(evaluations):
            if e["severity"] == 0:
                by_severity[0].append(e)
        rows[entry] = {severity: _cell(mean_by_repeat(by_severity[severity])) for severity in sorted(by_severity)}
    return SeverityCurve(scenario, other, rows)


def _cell(by_seed: Mapping[int, float]) -> Cell:
    return Cell(tuple(by_seed[seed] for seed in sorted(by_seed)))
