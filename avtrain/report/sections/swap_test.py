"""The swap test: each scenario scored with the prompts of every other, and how often the router finds the true one."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import numpy as np

from avtrain.report.markup import html_table, markdown_table, number_cells
from avtrain.report.results import Evaluation, scenario_order
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

TITLE = "Swap test"
NOTE = (
    "Test accuracy in %, mean over seeds. A row is a scenario, a column the scenario whose prompts were used; prompts "
    "that know their scenario are best on the diagonal. Router: samples for which the true scenario's set weighs most."
)


def html(view: ReportView) -> str:
    """Return a matrix for each entry that has prompts for each scenario."""
    tables = []
    for name, rows, sets in _matrices(view):
        cells = [f"<td>{escape(scenario)}</td>" + number_cells(map(escape, row)) for scenario, *row in rows]
        tables.append(html_table(f"{TITLE}: {name}", NOTE, ("scenario",), (*sets, "router"), cells))
    return "".join(tables)


def markdown(view: ReportView) -> str:
    """Return a matrix for each entry that has prompts for each scenario."""
    return "\n".join(
        markdown_table(f"#### {view.results.manifest}: swap test, {name}", ["scenario", *sets, "router"], rows, NOTE)
        for name, rows, sets in _matrices(view)
    )


def _matrices(view: ReportView) -> list[tuple[str, list[list[str]], list[str]]]:
    """Return the name, the rows (scenario, accuracies, router) and the sets of each entry that was swapped."""
    found = []
    for entry, evaluations in view.own.items():
        swapped = [e for e in evaluations if e.get("swap")]
        if swapped:
            name, sets = view.styles[entry].name, list(swapped[0]["swap"])
            routed = view.own.get(replace(entry, inference="router"), ())
            rows = [_row(scenario, swapped, routed, sets) for scenario in scenario_order(swapped)]
            found.append((name, rows, sets))
    return found


def _row(scenario: str, swapped: Sequence[Evaluation], routed: Sequence[Evaluation], sets: Sequence[str]) -> list[str]:
    means = [_mean([e["swap"][name] for e in swapped if e["scenario"] == scenario]) for name in sets]
    return [scenario, *means, _mean([e["router_accuracy"] for e in routed if e["scenario"] == scenario])]


def _mean(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.1f}" if values else ""


SECTION = Section("swap_test", html, markdown)
