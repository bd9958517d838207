"""`avtrain report`: methods by scenarios, mean and standard deviation over seeds."""

import csv
import io
from collections import defaultdict
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
    scenarios = tuple(sorted(dict.fromkeys(e["scenario"] for e in evaluations), key=_field_order))
    values: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for e in evaluations:
        values[_label(e)][e["scenario"]][e["seed"]] = e["accuracy"]
    rows = {}
    for label, by_scenario in values.items():
        rows[label] = {name: Cell(tuple(seeds.values())) for name, seeds in by_scenario.items()}
        complete = (
            set.intersection(*(set(by_scenario[name]) for name in scenarios))
            if by_scenario.keys() >= set(scenarios)
            else set()
        )
        if complete:
            means = (np.mean([by_scenario[name][seed] for name in scenarios]) for seed in sorted(complete))
            rows[label]["mean"] = Cell(tuple(float(mean) for mean in means))
    return Table(manifest, any(e["leaky"] for e in evaluations), scenarios, rows)


def _field_order(scenario: str) -> tuple[int, str]:
    """C, A, V, D first, as the field writes them."""
    return ("CAVD".find(scenario[0]) if scenario[0] in "CAVD" else 9, scenario)


def _label(evaluation: Mapping[str, Any]) -> str:
    """What distinguishes a row: method, backbone, training regime, what it is told."""
    told = f", {evaluation['told_scenario']}" if evaluation["told_scenario"] else ""
    folder = evaluation["run"].split("/", 1)[0]
    return f"{evaluation['method']} ({evaluation['backbone']}, trained on {evaluation['train_on']}{told}) [{folder}]"


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
            bars = axes.bar(places, heights, width * 0.92, yerr=spread, label=label.split(" [")[0], error_kw={"lw": 1})
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
