"""The view that all sections of a report share: the measurements of one manifest, and how each entry is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from avtrain.report.charts.lines import Point
from avtrain.report.charts.series import SeriesStyle
from avtrain.report.differences import tested
from avtrain.report.results import Cell, Entry, Evaluation, Results, find_entry, own_scenarios
from avtrain.report.risk import RiskCurves, risk_curves
from avtrain.report.tables import SeverityCurve, Table, accuracy_tables, severity_curves
from avtrain.report.validation_sweeps import ValidationSweep


@dataclass(frozen=True)
class ReportView:
    """Everything a section may show of the runs of one manifest.

    Attributes:
        results: evaluations and runs by entry.
        tables: accuracies by scenario, one table a manifest evaluated on; the one trained on first.
        curves: accuracies by severity, one curve a scenario evaluated at several severities.
        own: evaluations on the scenarios of the manifest trained on, by entry; entries without any are absent.
        styles: colour, marker and name of each entry, the same in all charts.
        baseline: the entry that corruption errors are relative to; None where no run has been evaluated.
        sweeps: of options, on the validation split.
        risks: error over coverage, by entry and scenario; entries without predictions are absent.
    """

    results: Results
    tables: Sequence[Table]
    curves: Sequence[SeverityCurve]
    own: Mapping[Entry, Sequence[Evaluation]]
    styles: Mapping[Entry, SeriesStyle]
    baseline: Entry | None
    sweeps: Sequence[ValidationSweep] = ()
    risks: RiskCurves = field(default_factory=dict)

    def accuracy_point(self, entry: Entry, x: float, cell: Cell) -> Point:
        """Return the point of an entry's accuracy in %.

        Args:
            entry: whose accuracy it is.
            x: in units of the horizontal axis.
            cell: accuracies from 0 to 1.
        """
        tooltip = f"{self.styles[entry].name}: {cell} % at {x:,}, n = {len(cell.values)}"
        return Point(x, 100 * cell.mean, 100 * (cell.std or 0.0), tooltip)


def build_view(results: Results, baseline: str | None = None, sweeps: Sequence[ValidationSweep] = ()) -> ReportView:
    """Return what the sections share of one manifest's results.

    Args:
        results: of the manifest.
        baseline: name of the baseline's entry; None: `linear-probe` where it is there, else the first.
        sweeps: on the same manifest.

    Raises:
        UserError: no entry, or more than one, has the name of the baseline; or predictions are damaged.
    """
    own = {entry: own_scenarios(evaluations) for entry, evaluations in results.entries.items()}
    return ReportView(
        results,
        [tested(table, results) for table in accuracy_tables(results)],
        severity_curves(results),
        {entry: evaluations for entry, evaluations in own.items() if evaluations},
        {entry: SeriesStyle(index, name) for index, (entry, name) in enumerate(results.labels.items())},
        _baseline(results, baseline),
        sweeps,
        risk_curves(results),
    )


def _baseline(results: Results, name: str | None) -> Entry | None:
    if not results.entries:
        return None
    if name is not None:
        return find_entry(results, name, "--baseline")
    return next((entry for entry in results.entries if entry.method == "linear-probe"), next(iter(results.entries)))
