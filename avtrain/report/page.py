"""The page of a report: one HTML file with all tables and charts inside, which needs nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

import numpy as np

from avtrain.evaluation.metrics import Bin, calibration_error, pooled
from avtrain.report.balance_page import balance_section
from avtrain.report.charts.counts import confusion_chart, reliability_chart, stacked_bars
from avtrain.report.charts.lines import (
    Axis,
    Field,
    Point,
    chart_group,
    count_axis,
    line_chart,
    percent_axis,
    scatter_chart,
    swatch,
)
from avtrain.report.results import Cell, Entry, Evaluation, Results, by_field_order, own_scenarios
from avtrain.report.tables import MEAN, PARTLY, Curve, Table, curves, tables

LEAKY = """<p class=warning><b>Leaky split.</b> Recordings stand in training and test at once, as in much published
work. These numbers flatter every method and compare with leaky ones alone.</p>"""

SELECTED = """<p class=warning><b>Selected on test.</b> Rows marked so chose their best epoch by the very scores that
stand here, as in much published work. They flatter, and compare with rows of their kind alone.</p>"""


@dataclass(frozen=True)
class Sign:
    """What stands for an entry in every chart of a page: the index of its colour and marker, and its name."""

    index: int
    name: str


Signs = Mapping[Entry, Sign]


def as_page(results: Sequence[Results]) -> str:
    """All manifests on one page, a section each."""
    template = resources.files("avtrain.report").joinpath("report.html").read_text(encoding="utf-8")
    title = f"Results: {', '.join(each.manifest for each in results)}"
    return template.format(title=escape(title), body="\n".join(_section(each) for each in results))


def _section(results: Results) -> str:
    signs = {entry: Sign(index, name) for index, (entry, name) in enumerate(results.labels.items())}
    parts = [f"<h2>{escape(results.manifest)}</h2>", LEAKY if results.leaky else ""]
    parts.append(SELECTED if results.selected_on_test else "")
    found = tables(results)
    parts += [_table(table, signs) for table in found]
    parts.append(_curves(curves(results), signs))
    parts += [_parameters(table, results, signs) for table in found if table.other is None]
    own = {entry: own_scenarios(evaluations) for entry, evaluations in results.entries.items()}
    own = {entry: evaluations for entry, evaluations in own.items() if evaluations}
    if own:
        parts += [_choices(own, signs), balance_section(results), _reliability(own, signs), _confusions(own, signs)]
    return "\n".join(part for part in parts if part)


def _table(table: Table, signs: Signs) -> str:
    head = "".join(f"<th scope=col>{name}</th>" for name in ("method", "backbone", "trained on", "inference"))
    head += "".join(f"<th scope=col class=number>{escape(table.heading(c))}</th>" for c in (*table.columns, "n"))
    body = "".join(_row(table, entry, signs[entry].index) for entry in table.rows)
    title = f"Never trained on: scenarios of {table.other}" if table.other else "Test accuracy"
    note = "In %, mean ± standard deviation over n seeds; the best of each column in bold."
    if any(entry.inference for entry in table.rows):
        note += " Inference: how prompts are chosen; <i>oracle</i> is told each sample’s scenario."
    if table.partly_trained_on:
        note += f" {PARTLY}"
    return (
        f"<h3>{escape(title)}</h3><p class=note>{note}</p><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(table: Table, entry: Entry, index: int) -> str:
    folder = "".join(f" <small>{escape(word)}</small>" for word in (entry.warning, entry.folder) if word)
    names = f"<th scope=row>{swatch(index)} {escape(entry.method)}{folder}</th>"
    names += "".join(f"<td>{escape(word)}</td>" for word in (entry.backbone, entry.train_on, entry.inference or "–"))
    row = table.rows[entry]
    cells = [f"<b>{row[c]}</b>" if table.leads(entry, c) else str(row.get(c, "–")) for c in table.columns]
    return f"<tr>{names}{''.join(f'<td class=number>{c}</td>' for c in (*cells, table.seeds(entry)))}</tr>"


def _curves(found: Sequence[Curve], signs: Signs) -> str:
    if not found:
        return ""
    cells = [cell for curve in found for row in curve.rows.values() for cell in row.values()]
    accuracies = percent_axis("test accuracy (%)", _reached(cells))
    charts = []
    for curve in found:
        there = sorted({severity for row in curve.rows.values() for severity in row})
        severities = Axis("severity (0: clean)", min(there) - 0.2, max(there) + 0.2, {s: str(s) for s in there})
        origin = f" of {curve.other}, never trained on" if curve.other else ""
        series = {signs[e].index: [_point(s, row[s], signs[e]) for s in sorted(row)] for e, row in curve.rows.items()}
        charts.append(line_chart(Field(f"{curve.scenario}{origin}", severities, accuracies), series))
    shown = [entry for entry in signs if any(entry in curve.rows for curve in found)]
    note = "All corruptions of a scenario at one severity; the same noise at each, only stronger. Whiskers: ± one std."
    return chart_group("Robustness", note, charts, _legend(shown, signs))


def _parameters(table: Table, results: Results, signs: Signs) -> str:
    rows = {entry: row[MEAN] for entry, row in table.rows.items() if MEAN in row}
    if not rows:
        return ""
    trained = {entry: max(1, results.entries[entry][0]["trainable_parameters"]) for entry in rows}
    field = Field(
        "mean accuracy by size of what is trained",
        count_axis("trainable parameters (logarithmic)", trained.values()),
        percent_axis("mean test accuracy (%)", _reached(list(rows.values()))),
        560,
        320,
    )
    points = {signs[entry].index: _point(trained[entry], cell, signs[entry]) for entry, cell in rows.items()}
    note = f"Mean over {', '.join(table.scenarios)}."
    return chart_group("Accuracy and trainable parameters", note, [scatter_chart(field, points)], _legend(rows, signs))


def _choices(own: Mapping[Entry, Sequence[Evaluation]], signs: Signs) -> str:
    charts = []
    for entry, evaluations in own.items():
        routed = [e for e in evaluations if e.get("choice")]
        if routed:
            names = by_field_order([e["scenario"] for e in routed])
            bars = {name: _mean_choice([e for e in routed if e["scenario"] == name]) for name in names}
            charts.append(stacked_bars(signs[entry].name, bars, list(routed[0]["choice"])))
    note = "A bar for each true scenario: the mean weight of each set of prompts, over samples and seeds."
    return chart_group("What the router chose", note, charts) if charts else ""


def _mean_choice(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    return {part: float(np.mean([e["choice"][part] for e in evaluations])) for part in evaluations[0]["choice"]}


def _reliability(own: Mapping[Entry, Sequence[Evaluation]], signs: Signs) -> str:
    charts = []
    for entry, evaluations in own.items():
        bins = pooled([[Bin(**each) for each in e["reliability"]] for e in evaluations])
        title = f"{signs[entry].name}: error {100 * calibration_error(bins):.1f} %"
        charts.append(reliability_chart(title, bins))
    note = (
        "All scenarios and seeds together. Bars: accuracy in 15 equal bins of confidence, stronger where there are "
        "more predictions; on the diagonal a model is as often right as it says. Error: expected calibration error."
    )
    return chart_group("Reliability", note, charts)


def _confusions(own: Mapping[Entry, Sequence[Evaluation]], signs: Signs) -> str:
    parts = []
    for entry, evaluations in own.items():
        for name in by_field_order([e["scenario"] for e in evaluations]):
            of_seeds = [e for e in evaluations if e["scenario"] == name]
            title = f"{signs[entry].name}: {name}"
            counts = np.sum([e["confusion"] for e in of_seeds], axis=0).tolist()
            chart = confusion_chart(title, of_seeds[0]["classes"], counts)
            parts.append(f"<details><summary>{escape(title)}</summary>{chart}</details>")
    note = "<p class=note>Predictions summed over seeds, shaded by their share of the true class.</p>"
    return f"<h3>Confusion</h3>{note}{''.join(parts)}"


def _point(x: float, cell: Cell, sign: Sign) -> Point:
    return Point(x, 100 * cell.mean, 100 * (cell.std or 0.0), f"{sign.name}: {cell} % at {x:,}, n = {len(cell.values)}")


def _reached(cells: Sequence[Cell]) -> list[float]:
    """All heights a chart must reach, whiskers included."""
    return [100 * (cell.mean + sign * (cell.std or 0.0)) for cell in cells for sign in (-1, 1)]


def _legend(shown: Iterable[Entry], signs: Signs) -> str:
    items = "".join(f"<li>{swatch(signs[entry].index)}{escape(signs[entry].name)}</li>" for entry in shown)
    return f"<ul class=legend>{items}</ul>"
