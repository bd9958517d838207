"""The folds of a cross-validation: accuracy on each, and pooled over all samples, of which each is tested once."""

from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from avtrain.evaluation.metrics import macro_f1
from avtrain.report.markup import html_table, markdown_table, number_cells
from avtrain.report.results import Evaluation, display_order, mean_by_repeat
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView

NOTE = (
    "In %. Each fold is tested once, by a model trained on the others, whose best epoch was chosen on whole groups "
    "taken from these. Mean ± standard deviation over folds; pooled: over all samples of all folds, with macro F1 from "
    "the summed confusion matrix; several seeds of a fold count by their mean."
)


def html(view: ReportView) -> str:
    """Return a table with a row for each entry and scenario, and a column for each fold."""
    rows = [
        f"<th scope=row>{escape(name)}</th><td>{escape(scenario)}</td>{number_cells(cells)}"
        for name, scenario, *cells in _rows(view)
    ]
    return html_table(_title(view), NOTE, ["method", "scenario"], _columns(view), rows) if rows else ""


def markdown(view: ReportView) -> str:
    """Return the same table."""
    rows = _rows(view)
    heading = f"#### {view.results.manifest}: {_title(view).lower()}"
    return markdown_table(heading, ["method", "scenario", *_columns(view)], rows, NOTE) if rows else ""


def _title(view: ReportView) -> str:
    return f"Cross-validation over {len(view.results.folds)} folds"


def _columns(view: ReportView) -> list[str]:
    return [*(f"fold {fold}" for fold in view.results.folds), "mean over folds", "pooled", "pooled macro F1", "folds"]


def _rows(view: ReportView) -> list[list[str]]:
    """Return a row for each entry and scenario; empty where there is no cross-validation."""
    if not view.results.folds:
        return []
    return [
        [view.styles[entry].name, scenario, *_cells(view, [e for e in evaluations if e["scenario"] == scenario])]
        for entry, evaluations in view.own.items()
        for scenario in display_order([e["scenario"] for e in evaluations])
    ]


def _cells(view: ReportView, evaluations: Sequence[Evaluation]) -> list[str]:
    folds, by_fold = view.results.folds, mean_by_repeat(evaluations)
    values = np.array([by_fold[fold] for fold in folds if fold in by_fold])
    spread = f" ± {100 * values.std(ddof=1):.1f}" if len(values) > 1 else ""
    confusion = _pooled_confusion(evaluations)
    return [
        *(f"{100 * by_fold[fold]:.1f}" if fold in by_fold else "–" for fold in folds),
        f"{100 * values.mean():.1f}{spread}",
        f"{100 * np.trace(confusion) / confusion.sum():.1f}",
        f"{100 * macro_f1(confusion):.1f}",
        f"{len(values)} of {len(folds)}",
    ]


def _pooled_confusion(evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
    """Return the confusion matrix over all folds, in which every seed of a fold has the same share."""
    seeds = Counter(e["fold"] for e in evaluations)
    pooled: NDArray[np.float64] = np.sum([np.array(e["confusion"]) / seeds[e["fold"]] for e in evaluations], axis=0)
    return pooled


SECTION = Section("cross_validation", html, markdown)
