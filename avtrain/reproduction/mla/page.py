"""One of MLA's tables, made anew, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avbuild.dataset.storage import write_whole
from avtrain.config import SELECTED_ON_TEST
from avtrain.reproduction.markdown import UNKNOWN, Notes, cell_as_json, table_head, table_line
from avtrain.reproduction.mla.published import DATA, Claim
from avtrain.reproduction.mla.report import MULTI, ManifestTable, SystemScores
from avtrain.reproduction.mla.tables import REFERENCE, PublishedTable
from avtrain.reproduction.plan import ReproductionPlan

SELECTION_WARNING = (
    f"**Warning: {SELECTED_ON_TEST}.** Rows marked so chose their best epoch by the very scores that stand here, as in "
    "much published work. They flatter; they are here only to show by how much."
)


def write(
    plan: ReproductionPlan, table: PublishedTable, parts: Sequence[ManifestTable], out: Path
) -> tuple[Path, Path]:
    """Write the page and its JSON, called as the table; returns where."""
    page, data = out / f"{table.name}.md", out / f"{table.name}.json"
    write_whole(page, as_markdown(plan, table, parts))
    write_whole(data, json.dumps(as_json(plan, table, parts), indent=1, ensure_ascii=False) + "\n")
    return page, data


def as_markdown(plan: ReproductionPlan, table: PublishedTable, parts: Sequence[ManifestTable]) -> str:
    """The page: what was run, then for each manifest rows, the worth of selecting on test, verdicts."""
    lines = [
        f"# {table.title}",
        "",
        f"Trained and scored on clean data. Seeds: {', '.join(map(str, plan.seeds))}. Test accuracy in %, mean ± "
        "standard deviation over n seeds. Best epoch by validation, but for rows that say otherwise.",
        "",
        "- *reproduced*: within 2 points or 2 standard deviations.",
        "- *not comparable*: something other than chance keeps the two apart; it says what.",
        f"- {MULTI}: all modalities together; a modality's column: its own scores, where the method has them.",
        f"- time: training alone, an epoch, as a ratio to {REFERENCE} here, on the same data and batch size.",
        "- Of the published tables only the cells shown are known to us, and none of a single modality.",
        "",
    ]
    if any(system.select_on == "test" for system in plan.systems):
        lines += [SELECTION_WARNING, ""]
    for part in parts:
        lines += [_heading(part), "", *_rows(part), ""]
        if part.worths:
            lines += [f"### {part.manifest.name}: what selecting on test is worth", "", *_worths(part), ""]
        lines += [f"### {part.manifest.name}: verdicts", "", *_verdicts(part), ""]
    return "\n".join(lines)


def as_json(plan: ReproductionPlan, table: PublishedTable, parts: Sequence[ManifestTable]) -> dict[str, Any]:
    """All of the page, unrounded."""
    return {
        "table": table.name,
        "seeds": list(plan.seeds),
        "manifests": [
            {
                "manifest": part.manifest.as_yaml(),
                "scenario": part.scenario,
                "leaky": part.leaky,
                "devices": list(part.devices),
                "rows": [_row_as_json(row) for row in part.rows],
                "worth_of_selecting_on_test": [
                    {
                        "row": worth.row,
                        "validation": cell_as_json(worth.on_validation),
                        "test": cell_as_json(worth.on_test),
                        "difference": cell_as_json(worth.difference),
                    }
                    for worth in part.worths
                ],
                "published": [
                    {
                        "claim": asdict(judged.claim),
                        "row": judged.row and judged.row.system.name,
                        "measured": judged.row and cell_as_json(judged.row.cells[MULTI]),
                        **asdict(judged.verdict),
                    }
                    for judged in part.claims
                ],
            }
            for part in parts
        ],
    }


def _row_as_json(row: SystemScores) -> dict[str, Any]:
    return {
        "system": row.system.model_dump() | {"method_options": dict(row.system.method_options)},
        "setting": asdict(row.setting),
        "accuracy": {name: cell_as_json(cell) for name, cell in row.cells.items()},
        "cost": asdict(row.cost),
        "times_slower": row.times_slower,
    }


def _heading(part: ManifestTable) -> str:
    leaky = " (leaky split)" if part.leaky else ""
    setting, frozen = part.rows[0].setting, [row.system.name for row in part.rows if row.setting.frozen]
    encoders = f"backbone {setting.backbone}"
    if len(frozen) == len(part.rows):
        encoders = f"frozen features of {encoders}"
    elif frozen:
        encoders += f" (frozen features in {', '.join(frozen)})"
    where = "; ".join(part.devices)
    return (
        f"## {part.manifest.name}{leaky}\n\nData {setting.data}, scenario {part.scenario}, {encoders}. Made on {where}."
    )


def _rows(part: ManifestTable) -> list[str]:
    columns = (*part.modalities, MULTI)
    lines = table_head(("system", "selected on", *columns, "n", "epochs", "time"))
    for row in part.rows:
        options = ", ".join(f"{key} {value}" for key, value in row.system.method_options)
        marked = f" **({SELECTED_ON_TEST})**" if row.system.select_on == "test" else ""
        named = f"{row.system.row}{f' ({options})' if options else ''}{marked}"
        cells = [row.cells.get(column, "") for column in columns]
        time = "" if row.times_slower is None else f"{row.times_slower:.2f}"
        n = len(row.cells[MULTI].values)
        lines.append(table_line((named, row.system.select_on, *cells, n, row.setting.epochs, time)))
    for claim in dict.fromkeys(judged.claim for judged in part.claims):
        name = f"*published: {claim.system}, {DATA[claim.data]} ({claim.source})*"
        unknown = [UNKNOWN] * len(part.modalities)
        epochs = UNKNOWN if claim.epochs is None else claim.epochs
        lines.append(table_line((name, _selected(claim), *unknown, f"*{_theirs(claim)}*", UNKNOWN, epochs, UNKNOWN)))
    return lines


def _worths(part: ManifestTable) -> list[str]:
    lines = table_head(("system", "selected on validation", SELECTED_ON_TEST, "difference in points", "n"))
    for worth in part.worths:
        gained = worth.difference
        sign = "+" if gained.mean >= 0 else ""
        lines.append(table_line((worth.row, worth.on_validation, worth.on_test, f"{sign}{gained}", len(gained.values))))
    return [
        *lines,
        "",
        "The difference is taken seed by seed: both trained alike, only the epoch that is kept differs.",
    ]


def _verdicts(part: ManifestTable) -> list[str]:
    lines = table_head(("published", "data", "theirs", "ours", "selected on", "verdict", "why", "source", "confidence"))
    notes = Notes()
    for judged in part.claims:
        claim, row = judged.claim, judged.row
        ours = ("", "") if row is None else (row.cells[MULTI], row.system.select_on)
        verdict = (f"**{judged.verdict.word}**", notes.cite(judged.verdict))
        said = (claim.system, DATA[claim.data], _theirs(claim))
        lines.append(table_line((*said, *ours, *verdict, claim.source, claim.confidence)))
    return [*lines, *notes.lines()]


def _theirs(claim: Claim) -> str:
    return f"{100 * claim.value:.2f}" + ("" if claim.std is None else f" ± {100 * claim.std:.2f}")


def _selected(claim: Claim) -> str:
    return UNKNOWN if claim.selected_on_test is None else "test" if claim.selected_on_test else "validation"
