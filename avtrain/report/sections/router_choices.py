"""The prompts that a router chose for the samples of each scenario."""

from collections.abc import Sequence

import numpy as np

from avtrain.report.charts.stacked_bars import stacked_bars
from avtrain.report.markup import chart_group
from avtrain.report.results import Evaluation, scenario_order
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = "A bar for each true scenario: the mean weight of each set of prompts, over samples and seeds."


def html(view: ReportView) -> str:
    """Return a chart for each entry that has a router."""
    charts = []
    for entry, evaluations in view.own.items():
        routed = [e for e in evaluations if e.get("choice")]
        if routed:
            scenarios = scenario_order(routed)
            weights = {name: _mean_weights([e for e in routed if e["scenario"] == name]) for name in scenarios}
            charts.append(stacked_bars(view.styles[entry].name, weights, list(routed[0]["choice"])))
    return chart_group("What the router chose", NOTE, "", charts) if charts else ""


def _mean_weights(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    """Return the weight of each set of prompts, mean over seeds."""
    return {name: float(np.mean([e["choice"][name] for e in evaluations])) for name in evaluations[0]["choice"]}


SECTION = Section("router_choices", html)
