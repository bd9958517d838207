"""Risk over coverage: how often a classifier is wrong if it answers only where it is most confident."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from avtrain.evaluation.metrics import area_under_risk_coverage, risk_coverage, softmax
from avtrain.evaluation.predictions import Predictions, has_predictions, read_predictions
from avtrain.report.results import RUN_FOLDER, Cell, Entry, Results, own_scenarios

COVERAGES = tuple(step / 20 for step in range(1, 21))


@dataclass(frozen=True)
class RiskCurve:
    """The risk of one entry under one scenario.

    Attributes:
        risks: coverage -> error among the most confident predictions, from 0 to 1, one value a run.
        area: mean risk over all coverages, one value a run.
    """

    risks: Mapping[float, Cell]
    area: Cell


RiskCurves = Mapping[Entry, Mapping[str, RiskCurve]]  # entry -> scenario


def risk_curves(results: Results) -> RiskCurves:
    """Return the curves of all entries on the scenarios of the manifest trained on, where predictions were written.

    Args:
        results: of one manifest.

    Raises:
        UserError: predictions are damaged.
    """
    found: dict[Entry, dict[str, RiskCurve]] = {}
    for entry, evaluations in results.entries.items():
        of_scenario: dict[str, list[np.ndarray[tuple[int], np.dtype[np.float64]]]] = defaultdict(list)
        own = own_scenarios(evaluations)
        absent = {e["scenario"] for e in own if not has_predictions(e)}  # a mean over some of the seeds misleads
        for e in own:
            if e["scenario"] not in absent:
                of_scenario[e["scenario"]].append(_risks(read_predictions(e[RUN_FOLDER], e)))
        if of_scenario:
            found[entry] = {
                name: RiskCurve(
                    {c: Cell(tuple(float(r[_last(c, len(r))]) for r in risks)) for c in COVERAGES},
                    Cell(tuple(map(area_under_risk_coverage, risks))),
                )
                for name, risks in of_scenario.items()
            }
    return found


def _risks(predictions: Predictions) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    confidence = softmax(predictions.outputs().calibrated).max(axis=1)
    return risk_coverage(confidence, predictions.correct)


def _last(coverage: float, samples: int) -> int:
    """Return the place of the least confident sample that is answered."""
    return max(0, int(np.ceil(round(coverage * samples, 9))) - 1)
