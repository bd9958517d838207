"""Confusion matrices, one for each entry and scenario, folded until the reader opens them."""

from html import escape

import numpy as np

from avtrain.report.charts.confusion import confusion_chart
from avtrain.report.results import scenario_order
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = "Predictions summed over seeds, shaded by their share of the true class."


def html(view: ReportView) -> str:
    """Return the matrices of all entries."""
    matrices = []
    for entry, evaluations in view.own.items():
        for scenario in scenario_order(evaluations):
            of_seeds = [e for e in evaluations if e["scenario"] == scenario]
            title = f"{view.styles[entry].name}: {scenario}"
            counts = np.sum([e["confusion"] for e in of_seeds], axis=0).tolist()
            chart = confusion_chart(title, of_seeds[0]["classes"], counts)
            matrices.append(f"<details><summary>{escape(title)}</summary>{chart}</details>")
    return f"<h3>Confusion</h3><p class=note>{NOTE}</p>{''.join(matrices)}" if matrices else ""


SECTION = Section("confusion", html)
