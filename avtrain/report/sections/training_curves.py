"""Training curves of each modality: unimodal accuracy and gradient norm over the epochs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avtrain.report.charts.axis import Axis, axis_from_zero, integer_axis, percent_axis
from avtrain.report.charts.lines import Point, line_chart
from avtrain.report.charts.plot_area import PlotArea
from avtrain.report.charts.series import SeriesStyle
from avtrain.report.markup import chart_group, legend
from avtrain.report.results import Cell
from avtrain.report.sections.base import Section
from avtrain.report.view import ReportView
from avtrain.runs.folder import Run

NOTE = (
    "Accuracy of each modality's own predictions on the split that selects the best epoch, mean over the scenarios "
    "trained on; and mean norm of the gradient at each modality's encoder. Whiskers: ± one standard deviation over "
    "seeds."
)
Curves = Mapping[str, Mapping[int, Cell]]  # by modality and epoch


@dataclass(frozen=True)
class TrainingCurves:
    """Curves of one entry; empty where its method has no scores or no encoder of a single modality.

    Attributes:
        unimodal: accuracy from 0 to 1 of each modality's own scores, mean over the scenarios of the selecting split.
        gradient_norms: mean norm of the gradient that reaches each modality's encoder.
    """

    unimodal: Curves
    gradient_norms: Curves


def html(view: ReportView) -> str:
    """Return up to two charts for each entry, with one line a modality."""
    if not view.own:  # curves of training go with scores on the manifest trained on
        return ""
    curves = {entry: _training_curves(runs) for entry, runs in view.results.runs.items()}
    modalities = list(dict.fromkeys(m for each in curves.values() for m in (*each.unimodal, *each.gradient_norms)))
    charts = [chart for entry, each in curves.items() for chart in _charts(view.styles[entry].name, each, modalities)]
    styles = [SeriesStyle(index, modality) for index, modality in enumerate(modalities)]
    return chart_group("How each modality trained", NOTE, legend(styles), charts) if charts else ""


def _training_curves(runs: Sequence[Run]) -> TrainingCurves:
    """Return the curves that the metrics.jsonl of an entry's runs hold."""
    unimodal: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    norms: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in (line for run in runs for line in run.metrics()):
        for modality, value in _mean_over_scenarios(line.get("unimodal", {})).items():
            unimodal[modality][line["epoch"]].append(value)
        for modality, value in line.get("gradient_norms", {}).items():
            norms[modality][line["epoch"]].append(value)
    return TrainingCurves(_cells(unimodal), _cells(norms))


def _mean_over_scenarios(unimodal: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean accuracy by modality.  unimodal: by scenario and modality."""
    by_modality: dict[str, list[float]] = defaultdict(list)
    for accuracies in unimodal.values():
        for modality, accuracy in accuracies.items():
            by_modality[modality].append(accuracy)
    return {modality: float(np.mean(values)) for modality, values in by_modality.items()}


def _cells(values: Mapping[str, Mapping[int, Sequence[float]]]) -> Curves:
    return {m: {epoch: Cell(tuple(by_epoch[epoch])) for epoch in sorted(by_epoch)} for m, by_epoch in values.items()}


def _charts(name: str, curves: TrainingCurves, modalities: Sequence[str]) -> list[str]:
    charts = []
    if curves.unimodal:
        axis = percent_axis("unimodal accuracy (%)", _values(curves.unimodal, 100))
        charts.append(_chart(f"{name}: unimodal accuracy", axis, curves.unimodal, modalities, 100))
    if curves.gradient_norms:
        axis = axis_from_zero("gradient norm", _values(curves.gradient_norms, 1))
        charts.append(_chart(f"{name}: gradient norms", axis, curves.gradient_norms, modalities, 1))
    return charts


def _chart(title: str, axis: Axis, curves: Curves, modalities: Sequence[str], factor: float) -> str:
    """Return one chart.  factor: from a cell's values to the axis."""
    epochs = integer_axis("epoch", [epoch for by_epoch in curves.values() for epoch in by_epoch])
    series = {
        modalities.index(modality): [_point(modality, epoch, cell, factor) for epoch, cell in by_epoch.items()]
        for modality, by_epoch in curves.items()
    }
    return line_chart(PlotArea(title, epochs, axis), series)


def _point(modality: str, epoch: int, cell: Cell, factor: float) -> Point:
    mean, std = factor * cell.mean, factor * (cell.std or 0.0)
    return Point(epoch, mean, std, f"{modality}: {mean:.3g} in epoch {epoch}, n = {len(cell.values)}")


def _values(curves: Curves, factor: float) -> list[float]:
    """Return the values that an axis must reach, whiskers included."""
    cells = [cell for by_epoch in curves.values() for cell in by_epoch.values()]
    return [factor * end for cell in cells for end in cell.interval]


SECTION = Section("training_curves", html)
