"""Robustness in the field's terms: relative accuracy, mean corruption error, area under the severity curve.

Hendrycks and Dietterich: Benchmarking neural network robustness to common corruptions and perturbations, ICLR 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avtrain.report.results import Cell, Entry, Evaluation
from avtrain.report.view import ReportView

Errors = Mapping[str, Mapping[int, Mapping[int, float]]]  # scenario -> severity (0: as written) -> seed -> error


@dataclass(frozen=True)
class Robustness:
    """Accuracies and ratios of one entry on clean and corrupted data, from 0 to 1, one value a seed.

    Attributes:
        clean: accuracy on clean data.
        corrupted: mean accuracy over the corrupted scenarios of the manifest trained on.
        relative: corrupted / clean.
        corruption_error: mean over scenarios of its error over that of the baseline (mCE), each summed over severities
            where both were evaluated at the same ones; None where the baseline makes no error.
        areas: scenario -> area under the accuracy over severity, as a share of the largest possible.
    """

    clean: Cell
    corrupted: Cell
    relative: Cell
    corruption_error: Cell | None
    areas: Mapping[str, Cell]


def robustness(view: ReportView) -> dict[Entry, Robustness]:
    """Return the robustness of each entry that was evaluated on clean and on corrupted data."""
    if view.baseline is None:
        return {}
    found = {}
    names = _corrupted_scenarios(view)
    baseline = _errors(view, view.baseline, names)
    for entry, evaluations in view.own.items():
        clean = {e["seed"]: e["accuracy"] for e in evaluations if e["severity"] == 0}
        errors = _errors(view, entry, names)
        seeds = sorted(set(clean).intersection(*(set(errors[name].get(0, {})) for name in names)))
        if not names or not seeds or any(clean[seed] == 0 for seed in seeds):
            continue
        corrupted = {seed: float(np.mean([1 - errors[name][0][seed] for name in names])) for seed in seeds}
        found[entry] = Robustness(
            clean=Cell(tuple(clean[seed] for seed in seeds)),
            corrupted=Cell(tuple(corrupted.values())),
            relative=Cell(tuple(corrupted[seed] / clean[seed] for seed in seeds)),
            corruption_error=_corruption_error(errors, baseline, names, seeds),
            areas=_areas(view, entry),
        )
    return found


def area(accuracies: Mapping[int, float]) -> float:
    """Return the area under accuracy by severity (trapezoids), over that of an accuracy of 1.

    Args:
        accuracies: by severity; at least two.
    """
    severities = sorted(accuracies)
    values = [accuracies[severity] for severity in severities]
    return float(np.trapezoid(values, severities) / (severities[-1] - severities[0]))


def _corrupted_scenarios(view: ReportView) -> list[str]:
    own = next((table for table in view.tables if table.other_manifest is None), None)
    clean = {e["scenario"] for evaluations in view.own.values() for e in evaluations if e["severity"] == 0}
    return [name for name in own.scenarios if name not in clean] if own else []


def _errors(view: ReportView, entry: Entry, names: Sequence[str]) -> Errors:
    errors: dict[str, dict[int, dict[int, float]]] = {name: {} for name in names}
    for e in _own_evaluations(view, entry):
        if e["scenario"] in errors:
            errors[e["scenario"]].setdefault(0, {})[e["seed"]] = 1 - e["accuracy"]
        if e["severity"] and e["base_scenario"] in errors:
            errors[e["base_scenario"]].setdefault(e["severity"], {})[e["seed"]] = 1 - e["accuracy"]
    return errors


def _own_evaluations(view: ReportView, entry: Entry) -> list[Evaluation]:
    return [e for e in view.results.entries[entry] if e["other_manifest"] is None]


def _corruption_error(errors: Errors, baseline: Errors, names: Sequence[str], seeds: Sequence[int]) -> Cell | None:
    values = []
    for seed in seeds:
        ratios = []
        for name in names:
            graded = [s for s in errors[name] if s and s in baseline[name] and seed in errors[name][s]]
            severities = graded or [0]
            if any(s not in baseline[name] for s in severities):
                return None
            ours = sum(errors[name][s][seed] for s in severities)
            theirs = sum(float(np.mean(list(baseline[name][s].values()))) for s in severities)
            if theirs == 0:
                return None
            ratios.append(ours / theirs)
        values.append(float(np.mean(ratios)))
    return Cell(tuple(values))


def _areas(view: ReportView, entry: Entry) -> dict[str, Cell]:
    areas = {}
    for curve in view.curves:
        if curve.other_manifest is not None or entry not in curve.rows:
            continue
        cells = curve.rows[entry]
        counts = {len(cell.values) for cell in cells.values()}
        if len(cells) > 1 and len(counts) == 1:  # the same seeds at every severity
            of_seeds = [{s: cell.values[place] for s, cell in cells.items()} for place in range(counts.pop())]
            areas[curve.scenario] = Cell(tuple(map(area, of_seeds)))
    return areas
