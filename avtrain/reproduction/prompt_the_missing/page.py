"""Pages of the reproduction of *Prompt the Missing*: `poster.md`, `poster.html` and `poster.json`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avbuild.dataset.storage import write_whole
from avtrain.report.tables import MEAN
from avtrain.reproduction.markdown import (
    UNKNOWN,
    Footnotes,
    arithmetic_table,
    cell_as_json,
    table_header,
    table_line,
    verdict_legend,
)
from avtrain.reproduction.plan import ReproductionPlan
from avtrain.reproduction.prompt_the_missing.checks import CHECKS
from avtrain.reproduction.prompt_the_missing.cost_table import cost_table, cost_verdicts, formatted
from avtrain.reproduction.prompt_the_missing.published import CAV_MAE, CELLS, DATA, NAMES, PROMPT, Accuracy
from avtrain.reproduction.prompt_the_missing.report import ManifestTables, is_fair
from avtrain.reproduction.verdict import JudgedNumber, count_line, tally
from avtrain.reproduction.web_page import write_web_page

COMMAND = "prompt-the-missing"
INFERENCE = {
    None: "",
    "oracle": "oracle (true scenario given)",
    "concat": "concat (scenario not given)",
    "router": "router (scenario not given)",
}


def write(plan: ReproductionPlan, tables: Sequence[ManifestTables], out: Path) -> tuple[Path, Path, Path]:
    """Write `poster.md`, `poster.html` and `poster.json`.

    Args:
        plan: of all runs.
        tables: of each manifest.
        out: folder that gets the files.

    Returns the paths of all three.
    """
    page, data = out / "poster.md", out / "poster.json"
    text = as_markdown(plan, tables)
    write_whole(page, text)
    web = write_web_page(page, text)
    write_whole(data, json.dumps(as_json(plan, tables), indent=1, ensure_ascii=False) + "\n")
    return page, web, data


def as_markdown(plan: ReproductionPlan, tables: Sequence[ManifestTables]) -> str:
    """Return the page: what was run, then accuracies, costs and verdicts on both, for each manifest."""
    scale = "" if plan.epochs_scale == 1 else f"; epochs scaled by {plan.epochs_scale:g}"
    lines = [
        "# *Prompt the Missing* (CVPRW 2025), reproduced",
        "",
        f"Scenarios: {tables[0].setting.preset}. Seeds: {', '.join(map(str, plan.seeds))}{scale}. "
        "Test accuracy in %, mean ± standard deviation over n seeds. The best epoch is chosen on the validation split.",
        "",
        *verdict_legend("; sizes, times and ratios by at most a tenth"),
        f"- {CAV_MAE} is most likely what the publication calls CAV-MAE; {PROMPT} is its prompt learning, started from "
        "a fine-tuned backbone as published.",
        "",
        f"**{count_line(COMMAND, tally(CELLS, numbers(tables)))}.** Numbers of other sources are judged below and not "
        "counted.",
        "",
    ]
    for table in tables:
        lines += [_heading(table), "", *_accuracy_table(table), "", *_accuracy_verdicts(table), ""]
        lines += [f"### {table.manifest.name}: cost of training", "", *cost_table(table.costs), ""]
        lines += [*cost_verdicts(table.efficiency), ""]
    lines += ["## Statements checked by arithmetic", "", *arithmetic_table(CHECKS), ""]
    return "\n".join(lines)


def numbers(tables: Sequence[ManifestTables]) -> list[JudgedNumber]:
    """Return every published number beside ours, with its verdict, manifest by manifest."""
    found = []
    for table in tables:
        name = table.manifest.name
        for accuracy in table.accuracies:
            claim, measured = accuracy.claim, str(accuracy.measured or "")
            labels = (name, _name(claim), claim.scenario, claim.source)
            found.append(JudgedNumber(claim.cell, labels, f"{100 * claim.value:.0f}", measured, accuracy.verdict))
        for cost in table.efficiency:
            size = "" if cost.measured is None else formatted(cost.claim, cost.measured)
            labels = (name, NAMES.get(cost.claim.system or "", "both"), cost.claim.quantity, cost.claim.source)
            published = formatted(cost.claim, cost.claim.value)
            found.append(JudgedNumber(cost.claim.cell, labels, published, size, cost.verdict))
    return found


def _name(claim: Accuracy) -> str:
    return f"{NAMES[claim.system]}{f', {claim.inference}' if claim.inference else ''}"


def as_json(plan: ReproductionPlan, tables: Sequence[ManifestTables]) -> dict[str, Any]:
    """Return everything that the page shows, unrounded."""
    return {
        "verdicts": tally(CELLS, numbers(tables)),
        "arithmetic": [asdict(check) for check in CHECKS],
        "preset": tables[0].setting.preset,
        "seeds": list(plan.seeds),
        "epochs_scale": plan.epochs_scale,
        "manifests": [_manifest_as_json(table) for table in tables],
    }


def _manifest_as_json(table: ManifestTables) -> dict[str, Any]:
    return {
        "manifest": table.manifest.as_yaml(),
        "setting": asdict(table.setting),
        "fair": is_fair(table.manifest),
        "devices": list(table.devices),
        "accuracy": [
            row.system.model_dump()
            | {
                "inference": row.inference,
                "scenarios": {name: cell_as_json(cell) for name, cell in row.cells.items()},
            }
            for row in table.rows
        ],
        "published_accuracy": [
            {"claim": asdict(j.claim), "measured": j.measured and cell_as_json(j.measured), **asdict(j.verdict)}
            for j in table.accuracies
        ],
        "cost": {name: asdict(cost) for name, cost in table.costs.items()},
        "published_cost": [
            {"claim": asdict(j.claim), "measured": j.measured, **asdict(j.verdict)} for j in table.efficiency
        ],
    }


def _heading(table: ManifestTables) -> str:
    setting = table.setting
    strength = "D as strong as A and V" if is_fair(table.manifest) else "D is not A and V together"
    leaky = " (leaky split)" if setting.row_split else ""
    return (
        f"## {table.manifest.name}{leaky}\n\n"
        f"Data {setting.data}, backbone {setting.backbone}; {strength}. Made on {'; '.join(table.devices)}."
    )


def _accuracy_table(table: ManifestTables) -> list[str]:
    columns = (*table.manifest.scenarios, MEAN)
    lines = table_header(("system", "trained on", "inference", *columns, "n"))
    for row in table.rows:
        source = f", from {row.system.init_from}" if row.system.init_from else ""
        cells = [str(row.cells[c]) if c in row.cells else "" for c in columns]
        seeds = max(len(cell.values) for cell in row.cells.values())
        names = (row.system.name, row.system.train_on + source, INFERENCE[row.inference])
        lines.append(table_line((*names, *cells, seeds)))
    return lines + _published_rows(table, columns)


def _published_rows(table: ManifestTables, columns: Sequence[str]) -> list[str]:
    """Return one line a published row: accuracies of one system, one data set and one source."""
    rows: dict[tuple[str, str | None, str, str], dict[str, float]] = {}
    for judged in table.accuracies:
        claim = judged.claim
        data = DATA[claim.data] if claim.data else "data not stated"
        rows.setdefault((claim.system, claim.inference, data, claim.source), {})[claim.scenario] = claim.value
    lines = []
    for (system, inference, data, source), values in rows.items():
        cells = [f"*{100 * values[c]:.0f}*" if c in values else UNKNOWN for c in columns]
        name = f"*published: {NAMES[system]}, {data} ({source})*"
        lines.append(table_line((name, UNKNOWN, INFERENCE[inference], *cells, UNKNOWN)))
    return lines


def _accuracy_verdicts(table: ManifestTables) -> list[str]:
    lines = table_header(("system", "scenario", "published", "measured", "verdict", "why", "source", "confidence"))
    footnotes = Footnotes()
    for judged in table.accuracies:
        claim = judged.claim
        both = (f"{100 * claim.value:.0f}", judged.measured or "")
        verdict = (f"**{judged.verdict.word}**", footnotes.cite(judged.verdict))
        lines.append(table_line((_name(claim), claim.scenario, *both, *verdict, claim.source, claim.confidence)))
    return [*lines, *footnotes.lines()]
