"""The balance of modalities on a report's page: a table of contributions, and curves over training."""

from collections.abc import Mapping, Sequence
from html import escape

from avtrain.report.balance import (
    NOTE,
    Contributions,
    TrainingCurves,
    cells_of,
    contributions,
    seeds_of,
    training_curves,
)  # fmt: skip
from avtrain.report.charts.lines import (
    Axis,
    Field,
    Point,
    chart_group,
    line_chart,
    percent_axis,
    swatch,
    whole_axis,
    zero_axis,
)
from avtrain.report.results import Cell, Entry, Results

CURVES_NOTE = (
    "Accuracy of each modality's own scores on the split that selects, mean over the scenarios trained on; and the "
    "mean norm of the gradient that reaches each modality's encoder. Whiskers: ± one std over seeds."
)


def balance_section(results: Results) -> str:
    """Empty where neither was measured."""
    contributed = contributions(results)
    parts = [_table(contributed, results.labels)] if contributed.rows else []
    curves = {entry: training_curves(runs) for entry, runs in results.runs.items()}
    modalities = list(dict.fromkeys(m for c in curves.values() for m in (*c.unimodal, *c.gradient_norms)))
    charts = [chart for entry, each in curves.items() for chart in _charts(results.labels[entry], each, modalities)]
    if charts:
        items = "".join(f"<li>{swatch(index)}{escape(m)}</li>" for index, m in enumerate(modalities))
        legend = f"<ul class=legend>{items}</ul>"
        parts.append(chart_group("How each modality trained", CURVES_NOTE, charts, legend))
    return "\n".join(parts)


def _table(found: Contributions, labels: Mapping[Entry, str]) -> str:
    heads = (*found.coalitions, *(f"Shapley {m}" for m in found.modalities), "n")
    head = "<th scope=col>method</th>" + "".join(f"<th scope=col class=number>{escape(name)}</th>" for name in heads)
    body = ""
    for entry, row in found.rows.items():
        cells = "".join(f"<td class=number>{cell}</td>" for cell in (*cells_of(found, row), seeds_of(row)))
        body += f"<tr><th scope=row>{escape(labels[entry])}</th>{cells}</tr>"
    return (
        f"<h3>What each modality contributes</h3><p class=note>{escape(NOTE)}</p><div class=scroll><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _charts(name: str, curves: TrainingCurves, modalities: Sequence[str]) -> list[str]:
    charts = []
    if curves.unimodal:
        axis = percent_axis("unimodal accuracy (%)", _heights(curves.unimodal, 100))
        charts.append(_chart(f"{name}: unimodal accuracy", axis, curves.unimodal, modalities, 100))
    if curves.gradient_norms:
        axis = zero_axis("gradient norm", _heights(curves.gradient_norms, 1))
        charts.append(_chart(f"{name}: gradient norms", axis, curves.gradient_norms, modalities, 1))
    return charts


def _chart(
    title: str, axis: Axis, curves: Mapping[str, Mapping[int, Cell]], modalities: Sequence[str], unit: float
) -> str:
    epochs = whole_axis("epoch", [epoch for by_epoch in curves.values() for epoch in by_epoch])
    series = {
        modalities.index(m): [_point(m, epoch, cell, unit) for epoch, cell in by_epoch.items()]
        for m, by_epoch in curves.items()
    }
    return line_chart(Field(title, epochs, axis), series)


def _point(modality: str, epoch: int, cell: Cell, unit: float) -> Point:
    mean, std = unit * cell.mean, unit * (cell.std or 0.0)
    return Point(epoch, mean, std, f"{modality}: {mean:.3g} in epoch {epoch}, n = {len(cell.values)}")


def _heights(curves: Mapping[str, Mapping[int, Cell]], unit: float) -> list[float]:
    cells = [cell for by_epoch in curves.values() for cell in by_epoch.values()]
    return [unit * (cell.mean + sign * (cell.std or 0.0)) for cell in cells for sign in (-1, 1)]
