"""`avtrain report`: methods by scenarios, mean and standard deviation over seeds."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avbuild.errors import UserError
from avtrain.runs import Run, find_runs


@dataclass(frozen=True)
class Cell:
    """Accuracies of one row under one scenario, one a seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for a single seed, which has none."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {100 * self.std:.1f}"
        return f"{100 * self.mean:.1f}{spread}"


@dataclass(frozen=True)
class Table:
    """One manifest's results: what was trained how, by scenario."""

    manifest: str
    leaky: bool
    scenarios: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Cell]]  # label -> scenario or "mean" -> accuracies

    def best(self, scenario: str) -> float:
        """The highest mean under a scenario."""
        return max(row[scenario].mean for row in self.rows.values() if scenario in row)

    def seeds(self, label: str) -> int:
        """Runs behind a row."""
        return max(len(cell.values) for cell in self.rows[label].values())


def tabulate(runs: Sequence[Run]) -> list[Table]:
    """One table a manifest, from the evaluations found.  Raises UserError where there are none."""
    found = [evaluation for run in runs for evaluation in run.evaluations()]
    if not found:
        raise UserError("no run has been evaluated yet; avtrain eval RUN does it")
    by_manifest: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for evaluation in found:
        by_manifest[evaluation["manifest"]].append(evaluation)
    return [_table(name, evaluations) for name, evaluations in by_manifest.items()]


def _table(manifest: str, evaluations: Sequence[dict[str, Any]]) -> Table:
    _same_conditions(manifest, evaluations)
    scenarios = tuple(sorted(dict.fromkeys(e["scenario"] for e in evaluations), key=_field_order))
    values: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for e in evaluations:
        values[e["run"].split("/", 1)[0]][e["scenario"]][e["seed"]] = e["accuracy"]
    labels = _labels(evaluations)
    rows = {}
    for folder, by_scenario in values.items():
        rows[labels[folder]] = {name: Cell(tuple(by_scenario[name].values())) for name in by_scenario}
        scored = [set(by_scenario.get(name, {})) for name in scenarios]
        if complete := set.intersection(*scored):  # a mean over other scenarios than a neighbour's would mislead
            means = (np.mean([by_scenario[name][seed] for name in scenarios]) for seed in sorted(complete))
            rows[labels[folder]]["mean"] = Cell(tuple(float(mean) for mean in means))
    return Table(manifest, any(e["leaky"] for e in evaluations), scenarios, rows)


def _same_conditions(manifest: str, evaluations: Sequence[dict[str, Any]]) -> None:
    """Refuse to put side by side what was scored on different data under one name."""
    first: dict[str, dict[str, Any]] = {}
    for e in evaluations:
        other = first.setdefault(e["scenario"], e)
        if (e["scenario_hash"], e["split"]) != (other["scenario_hash"], other["split"]):
            raise UserError(
                f"manifest {manifest}: {e['run']} and {other['run']} were scored on different data both called "
                f"{e['scenario']} (spec, seed, op version or split differ); report them in folders of their own, "
                "or fit and eval one again"
            )


def _labels(evaluations: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What distinguishes each folder of runs; its name too, where that is not enough."""
    labels = {e["run"].split("/", 1)[0]: _label(e) for e in evaluations}
    common = Counter(labels.values())
    return {folder: f"{label} {folder}" if common[label] > 1 else label for folder, label in labels.items()}


def _field_order(scenario: str) -> tuple[int, str]:
    """C, A, V, D first, as the field writes them."""
    return ("CAVD".find(scenario[0]) if scenario[0] in "CAVD" else 9, scenario)


def _label(evaluation: Mapping[str, Any]) -> str:
    """What distinguishes a row: method, backbone, training regime, what it is told."""
    told = f", {evaluation['told_scenario']}" if evaluation["told_scenario"] else ""
    return f"{evaluation['method']} ({evaluation['backbone']}, trained on {evaluation['train_on']}{told})"


def as_markdown(table: Table) -> str:
    """The table for a paper or a page; the best of each column in bold."""
    columns = (*table.scenarios, "mean")
    lines = [
        f"### {table.manifest}{' (leaky split)' if table.leaky else ''}",
        "",
        "| method | " + " | ".join(columns) + " | n |",
        "| --- |" + " --- |" * (len(columns) + 1),
    ]
    for label, row in table.rows.items():
        cells = [_bold(row[name], table.best(name)) if name in row else "" for name in columns]
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {table.seeds(label)} |")
    note = "Test accuracy in %, mean ± standard deviation over n seeds. oracle: told each sample's scenario."
    return "\n".join([*lines, "", note, ""])


def _bold(cell: Cell, best: float) -> str:
    return f"**{cell}**" if cell.mean == best else str(cell)


def as_csv(tables: Sequence[Table]) -> str:
    """One line a manifest, method and scenario."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("manifest", "leaky", "method", "scenario", "accuracy_mean", "accuracy_std", "n"))
    for table in tables:
        for label, row in table.rows.items():
            for scenario, cell in row.items():
                std = "" if cell.std is None else f"{cell.std:.6f}"
                written = (table.manifest, table.leaky, label, scenario, f"{cell.mean:.6f}", std, len(cell.values))
                writer.writerow(written)
    return sink.getvalue()


def plot(tables: Sequence[Table], path: Path) -> None:
    """Bars: scenarios along, methods side by side, standard deviation as whiskers; one panel a manifest."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        len(tables), 1, figsize=(8, 3.6 * len(tables)), squeeze=False, layout="constrained"
    )
    for table, axes in zip(tables, panels[:, 0], strict=True):
        columns = (*table.scenarios, "mean")
        width = 0.8 / len(table.rows)
        for index, (label, row) in enumerate(table.rows.items()):
            there = [(place, row[name]) for place, name in enumerate(columns) if name in row]
            places = [place - 0.4 + width * (index + 0.5) for place, _ in there]
            heights = [100 * cell.mean for _, cell in there]
            spread = [100 * (cell.std or 0.0) for _, cell in there]
            bars = axes.bar(places, heights, width * 0.92, yerr=spread, label=label, error_kw={"lw": 1})
            axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1, color="0.3")
        axes.set_xticks(range(len(columns)), columns)
        axes.set(ylabel="test accuracy (%)", ylim=(0, 105))
        axes.set_title(f"{table.manifest}{' (leaky split)' if table.leaky else ''}", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.16))
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def write_report(folder: Path) -> list[Table]:
    """Write `report.md`, `report.csv` and `report.png` into the folder of runs; returns the tables."""
    tables = tabulate(find_runs([folder]))
    (folder / "report.md").write_text("\n".join(as_markdown(table) for table in tables))
    (folder / "report.csv").write_text(as_csv(tables))
    plot(tables, folder / "report.png")
    return tables
