"""Pages of the reproduction of one of MLA's tables: Markdown, HTML and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avbuild.dataset.storage import write_whole
from avtrain.config import SELECTED_ON_TEST
from avtrain.reproduction.markdown import (
    UNKNOWN,
    Footnotes,
    arithmetic_table,
    cell_as_json,
    table_header,
    table_line,
    verdict_legend,
)
from avtrain.reproduction.mla.checks import CHECKS
from avtrain.reproduction.mla.published import DATA, MULTI, Claim
from avtrain.reproduction.mla.report import VISUAL, JudgedClaim, ManifestTable, SystemScores
from avtrain.reproduction.mla.tables import REFERENCE, PublishedTable
from avtrain.reproduction.plan import ReproductionPlan
from avtrain.reproduction.verdict import JudgedNumber, count_line, tally
from avtrain.reproduction.web_page import write_web_page

SELECTION_WARNING = (
    f"**Warning: {SELECTED_ON_TEST}.** The best epoch of the rows marked so was chosen by the test accuracy that they "
    "report, as in much published work. These accuracies are too high; they are here only to show by how much."
)


def write(
    plan: ReproductionPlan, published: PublishedTable, tables: Sequence[ManifestTable], out: Path
) -> tuple[Path, Path, Path]:
    """Write the page as Markdown and HTML, and its JSON, named after the published table.

    Args:
        plan: of all runs.
        published: the published table.
        tables: of each manifest.
        out: folder that gets the files.

    Returns the paths of all three.
    """
    page, data = out / f"{published.name}.md", out / f"{published.name}.json"
    text = as_markdown(plan, published, tables)
    write_whole(page, text)
    web = write_web_page(page, text)
    write_whole(data, json.dumps(as_json(plan, published, tables), indent=1, ensure_ascii=False) + "\n")
    return page, web, data


def as_markdown(plan: ReproductionPlan, published: PublishedTable, tables: Sequence[ManifestTable]) -> str:
    """Return the page: what was run, then rows, the gain by selection on test, and verdicts, for each manifest."""
    lines = [
        f"# {published.title}",
        "",
        f"Trained and scored on clean data. Seeds: {', '.join(map(str, plan.seeds))}. Test accuracy in %, mean ± "
        "standard deviation over n seeds. The best epoch is chosen on the validation split, except in rows that say "
        "otherwise.",
        "",
        *verdict_legend(),
        f"- {MULTI}: all modalities together; a modality's column: its own logits, where the method has them.",
        f"- time: of training alone, per epoch, as a ratio to {REFERENCE} here, on the same data and batch size.",
        "",
        f"**{count_line(published.name, tally(published.cells, numbers(tables)))}.** Other people's runs of the same "
        "methods are judged below and not counted.",
        "",
    ]
    if any(system.select_on == "test" for system in plan.systems):
        lines += [SELECTION_WARNING, ""]
    for table in tables:
        lines += [_heading(table), "", *_rows(table), ""]
        if table.gains:
            lines += [f"### {table.manifest.name}: gain by selection on test", "", *_selection_gains(table), ""]
        lines += [f"### {table.manifest.name}: verdicts", "", *_verdicts(table), ""]
    lines += ["## Statements checked by arithmetic", "", *arithmetic_table(CHECKS), ""]
    return "\n".join(lines)


def numbers(tables: Sequence[ManifestTable]) -> list[JudgedNumber]:
    """Return every published number beside ours, with its verdict, manifest by manifest."""
    return [_number(table, judged) for table in tables for judged in table.claims]


def _number(table: ManifestTable, judged: JudgedClaim) -> JudgedNumber:
    claim, row = judged.claim, judged.row
    name = claim.system if row is None else row.system.name
    measured = str((row and row.part(claim.part)) or "")
    labels = (table.manifest.name, name, claim.part, DATA[claim.data], claim.source)
    return JudgedNumber(claim.cell, labels, _published(claim), measured, judged.verdict)


def as_json(plan: ReproductionPlan, published: PublishedTable, tables: Sequence[ManifestTable]) -> dict[str, Any]:
    """Return everything that the page shows, unrounded."""
    return {
        "table": published.name,
        "seeds": list(plan.seeds),
        "verdicts": tally(published.cells, numbers(tables)),
        "arithmetic": [asdict(check) for check in CHECKS],
        "manifests": [_manifest_as_json(table) for table in tables],
    }


def _manifest_as_json(table: ManifestTable) -> dict[str, Any]:
    return {
        "manifest": table.manifest.as_yaml(),
        "scenario": table.scenario,
        "leaky": table.leaky,
        "devices": list(table.devices),
        "rows": [_row_as_json(row) for row in table.rows],
        "worth_of_selecting_on_test": [
            {
                "row": gain.row,
                "validation": cell_as_json(gain.on_validation),
                "test": cell_as_json(gain.on_test),
                "difference": cell_as_json(gain.difference),
            }
            for gain in table.gains
        ],
        "published": [
            {
                "claim": asdict(judged.claim),
                "row": judged.row and judged.row.system.name,
                "measured": (own := judged.row and judged.row.part(judged.claim.part)) and cell_as_json(own),
                **asdict(judged.verdict),
            }
            for judged in table.claims
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


def _heading(table: ManifestTable) -> str:
    leaky = " (leaky split)" if table.leaky else ""
    setting, frozen = table.rows[0].setting, [row.system.name for row in table.rows if row.setting.frozen]
    encoders = f"backbone {setting.backbone}"
    if len(frozen) == len(table.rows):
        encoders = f"frozen features of {encoders}"
    elif frozen:
        encoders += f" (frozen features in {', '.join(frozen)})"
    return (
        f"## {table.manifest.name}{leaky}\n\n"
        f"Data {setting.data}, scenario {table.scenario}, {encoders}. Made on {'; '.join(table.devices)}."
    )


def _rows(table: ManifestTable) -> list[str]:
    columns = (*table.modalities, MULTI)
    lines = table_header(("system", "selected on", *columns, "n", "epochs", "time"))
    for row in table.rows:
        options = f" ({row.system.described_options})" if row.system.method_options else ""
        mark = f" **({SELECTED_ON_TEST})**" if row.system.select_on == "test" else ""
        name = f"{row.system.row}{options}{mark}"
        cells = [row.cells.get(column, "") for column in columns]
        time = "" if row.times_slower is None else f"{row.times_slower:.2f}"
        n = len(row.cells[MULTI].values)
        lines.append(table_line((name, row.system.select_on, *cells, n, row.setting.epochs, time)))
    return lines + _published_rows(table)


def _published_rows(table: ManifestTable) -> list[str]:
    """Return one line a published row: all parts of one system, one data set and one source."""
    rows: dict[tuple[str, str, str, float | None], dict[str, Claim]] = {}
    for judged in table.claims:
        claim = judged.claim
        alone = None if claim.cell else claim.value  # a source may report a method twice
        rows.setdefault((claim.system, claim.data, claim.source, alone), {})[claim.part] = claim
    lines = []
    for (system, data, source, _), claims in rows.items():
        any_claim = next(iter(claims.values()))
        name = f"*published: {system}, {DATA[data]} ({source})*"
        cells = [_published_part(claims, column) for column in (*table.modalities, MULTI)]
        epochs = UNKNOWN if any_claim.epochs is None else any_claim.epochs
        lines.append(table_line((name, _selected_on(any_claim), *cells, UNKNOWN, epochs, UNKNOWN)))
    return lines


def _published_part(claims: Mapping[str, Claim], column: str) -> str:
    names = VISUAL if column in VISUAL else (column,)
    found = next((claims[name] for name in names if name in claims), None)
    return UNKNOWN if found is None else f"*{_published(found)}*"


def _selection_gains(table: ManifestTable) -> list[str]:
    lines = table_header(("system", "selected on validation", SELECTED_ON_TEST, "difference in points", "n"))
    for gain in table.gains:
        difference = gain.difference
        sign = "+" if difference.mean >= 0 else ""
        cells = (gain.row, gain.on_validation, gain.on_test, f"{sign}{difference}", len(difference.values))
        lines.append(table_line(cells))
    return [
        *lines,
        "",
        "The difference is computed seed by seed: training is the same, only the epoch that is kept differs.",
    ]


def _verdicts(table: ManifestTable) -> list[str]:
    columns = (
        "system",
        "data",
        "part",
        "published",
        "measured",
        "selected on",
        "verdict",
        "why",
        "source",
        "confidence",
    )
    lines, footnotes = table_header(columns), Footnotes()
    for judged in table.claims:
        claim, row = judged.claim, judged.row
        measured = ("", "") if row is None else (row.part(claim.part) or "", row.system.select_on)
        verdict = (f"**{judged.verdict.word}**", footnotes.cite(judged.verdict))
        published = (claim.system, DATA[claim.data], claim.part, _published(claim))
        lines.append(table_line((*published, *measured, *verdict, claim.source, claim.confidence)))
    return [*lines, *footnotes.lines()]


def _published(claim: Claim) -> str:
    return f"{100 * claim.value:.2f}" + ("" if claim.std is None else f" ± {100 * claim.std:.2f}")


def _selected_on(claim: Claim) -> str:
    return UNKNOWN if claim.selected_on_test is None else "test" if claim.selected_on_test else "validation"
