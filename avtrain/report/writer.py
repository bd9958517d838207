"""`avtrain report`: methods by scenarios as a page, Markdown, CSV and a plot."""

import csv
import io
from collections.abc import Container, Sequence
from pathlib import Path

from avbuild.dataset.storage import write_whole
from avtrain.report.balance import contributions, contributions_as_markdown
from avtrain.report.page import as_page
from avtrain.report.results import Cell, Entry, Results, gather
from avtrain.report.tables import PARTLY, Curve, Table, curves, tables
from avtrain.runs.folder import find_runs

NOTE = "Test accuracy in %, mean ± standard deviation over n seeds. oracle: told each sample's scenario."
CSV_COLUMNS = (
    "manifest", "leaky", "method", "scenario", "accuracy_mean", "accuracy_std", "n", "other_manifest", "severity",
)  # fmt: skip


def write_report(folder: Path) -> list[Table]:
    """Write `report.html`, `.md`, `.csv` and `.png` into the folder of runs; returns the tables."""
    results = gather(find_runs([folder]))
    found = [table for each in results for table in tables(each)]
    write_whole(folder / "report.md", "\n".join(_as_markdown(each) for each in results))
    write_whole(folder / "report.csv", as_csv(results))
    write_whole(folder / "report.html", as_page(results))
    write_whole(folder / "report.png", plot(found))
    return found


def _as_markdown(results: Results) -> str:
    parts = [as_markdown(table) for table in tables(results)]
    contributed = contributions(results)
    return "\n".join([*parts, contributions_as_markdown(contributed)] if contributed.rows else parts)


def as_markdown(table: Table) -> str:
    """The table for a paper or a page; the best of each column in bold."""
    lines = [
        f"### {table.title}",
        "",
        "| method | " + " | ".join(table.heading(column) for column in table.columns) + " | n |",
        "| --- |" + " --- |" * (len(table.columns) + 1),
    ]
    for entry, row in table.rows.items():
        cells = [f"**{row[c]}**" if table.leads(entry, c) else str(row.get(c, "")) for c in table.columns]
        lines.append(f"| {entry} | " + " | ".join(cells) + f" | {table.seeds(entry)} |")
    notes = [NOTE, PARTLY] if table.partly_trained_on else [NOTE]
    return "\n".join([*lines, "", " ".join(notes), ""])


def as_csv(results: Sequence[Results]) -> str:
    """One line a manifest, method and scenario; scenarios at other severities are there too."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for each in results:
        found = tables(each)
        for table in found:
            for entry, row in table.rows.items():
                writer.writerows(_line(each, entry, name, cell, table.other, None) for name, cell in row.items())
        listed = {(table.other, scenario) for table in found for scenario in table.scenarios}
        for curve in curves(each):
            writer.writerows(_curve_lines(each, curve, listed))
    return sink.getvalue()


def _curve_lines(results: Results, curve: Curve, listed: Container[tuple[str | None, str]]) -> list[tuple[object, ...]]:
    """Those of severities above 0 that no table has."""
    return [
        _line(results, entry, name, cell, curve.other, severity)
        for entry, row in curve.rows.items()
        for severity, cell in row.items()
        if severity and (curve.other, name := f"{curve.scenario}-severity{severity}") not in listed
    ]


def _line(
    results: Results, entry: Entry, scenario: str, cell: Cell, other: str | None, severity: int | None
) -> tuple[object, ...]:
    std = "" if cell.std is None else f"{cell.std:.6f}"
    measured = (f"{cell.mean:.6f}", std, len(cell.values))
    return (results.manifest, results.leaky, str(entry), scenario, *measured, other or "", severity or "")


def plot(tables: Sequence[Table]) -> bytes:
    """A PNG with bars: scenarios along, methods side by side, standard deviation as whiskers; one panel a manifest."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        len(tables), 1, figsize=(8, 3.6 * len(tables)), squeeze=False, layout="constrained"
    )
    for table, axes in zip(tables, panels[:, 0], strict=True):
        width = 0.8 / len(table.rows)
        for index, (entry, row) in enumerate(table.rows.items()):
            there = [(place, row[name]) for place, name in enumerate(table.columns) if name in row]
            places = [place - 0.4 + width * (index + 0.5) for place, _ in there]
            heights = [100 * cell.mean for _, cell in there]
            spread = [100 * (cell.std or 0.0) for _, cell in there]
            bars = axes.bar(places, heights, width * 0.92, yerr=spread, label=str(entry), error_kw={"lw": 1})
            axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1, color="0.3")
        axes.set_xticks(range(len(table.columns)), [table.heading(column) for column in table.columns])
        axes.set(ylabel="test accuracy (%)", ylim=(0, 105))
        axes.set_title(table.title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.16))
    png = io.BytesIO()
    figure.savefig(png, dpi=150)
    pyplot.close(figure)
    return png.getvalue()
