"""Pages of MLA's Table 2: the lines that are printed, Markdown, HTML with charts, and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.dataset.storage import write_whole
from avtrain.report.charts.series import SeriesStyle
from avtrain.reproduction.markdown import (
    Footnotes,
    arithmetic_table,
    cell_as_json,
    table_header,
    table_line,
    verdict_legend,
)
from avtrain.reproduction.mla.checks import CHECKS
from avtrain.reproduction.mla.missing_rates import NAME, PUBLISHED, TITLE
from avtrain.reproduction.mla.missing_rates_charts import charts
from avtrain.reproduction.mla.missing_rates_runs import RatePlan, RateTable, inference_of
from avtrain.reproduction.mla.missing_rates_verdicts import (
    judge_nothing,
    judge_table,
    published_scores,
    rank_agreement,
)
from avtrain.reproduction.mla.published import CELLS_2
from avtrain.reproduction.summary import columns
from avtrain.reproduction.system import System
from avtrain.reproduction.verdict import JudgedNumber, count_line, tally
from avtrain.reproduction.web_page import write_web_page

AS_PUBLISHED = "published"


def write(out: Path, rates: RatePlan | None, tables: Sequence[RateTable]) -> tuple[Path, Path, Path]:
    """Write the table as Markdown, HTML and JSON; returns the paths.

    Args:
        out: folder that gets the files.
        rates: the plan; None: nothing was run.
        tables: measured, one a data set and protocol.
    """
    page, data = out / f"{NAME}.md", out / f"{NAME}.json"
    text = as_markdown(rates, tables)
    write_whole(page, text)
    web = write_web_page(page, text, "" if rates is None else charts(tables, styles(rates)))
    write_whole(data, json.dumps(as_json(rates, tables), indent=1, ensure_ascii=False) + "\n")
    return page, web, data


def printed(rates: RatePlan | None, tables: Sequence[RateTable]) -> list[str]:
    """Return the lines to print: accuracies by rate and what was missing, or the published table, and the count."""
    judged = numbers(rates, tables)
    lines = _printed_published(judged) if rates is None else [line for t in tables for line in _printed_table(t, rates)]
    for data in dict.fromkeys(table.data for table in tables):
        for (first, second), (tau, n) in rank_agreement(_scores(tables, data)).items():
            lines.append(f"{data}: rankings under {first} and {second}: Kendall's tau {_told(tau, n)}")
    return [*lines, "", count_line(NAME, tally(CELLS_2, judged))]


def numbers(rates: RatePlan | None, tables: Sequence[RateTable]) -> list[JudgedNumber]:
    """Return every published number beside ours, table by table; all as not run where nothing was run."""
    if rates is None:
        return judge_nothing()
    return [number for table in tables for number in judge_table(table, rates)]


def as_markdown(rates: RatePlan | None, tables: Sequence[RateTable]) -> str:
    """Return the page: for each data set and protocol accuracies beside the published ones, then rankings."""
    judged = numbers(rates, tables)
    lines = [f"# {TITLE}", "", _about(rates), "", *verdict_legend(), ""]
    lines += [f"**{count_line(NAME, tally(CELLS_2, judged))}.**", ""]
    if rates is None:
        lines += ["## Published", "", *_published_alone(judged), ""]
    else:
        for table in tables:
            lines += _table(table, rates)
        lines += _rankings(tables)
    return "\n".join([*lines, "## Statements checked by arithmetic", "", *arithmetic_table(CHECKS), ""])


def as_json(rates: RatePlan | None, tables: Sequence[RateTable]) -> dict[str, Any]:
    """Return everything on the page, unrounded."""
    judged = numbers(rates, tables)
    return {
        "table": NAME,
        "missing_in": rates and rates.missing_in,
        "seeds": list(rates.plan.seeds) if rates else [],
        "verdicts": tally(CELLS_2, judged),
        "tables": [_table_as_json(table) for table in tables],
        "rankings": [
            {"data": data, "first": first, "second": second, "kendall_tau": tau, "systems": n}
            for data in dict.fromkeys(table.data for table in tables)
            for (first, second), (tau, n) in rank_agreement(_scores(tables, data)).items()
        ],
        "arithmetic": [asdict(check) for check in CHECKS],
        "published": [asdict(number) for number in judged],
    }


def styles(rates: RatePlan) -> dict[System, SeriesStyle]:
    """Return how each system is drawn, the same in all charts."""
    return {system: SeriesStyle(index, row_name(system)) for index, system in enumerate(rates.plan.systems)}


def row_name(system: System) -> str:
    """Return the name of a row: of the system, and how its prompts are chosen where there is a choice."""
    mode = inference_of(system.method)
    return f"{system.name} ({mode})" if mode else system.name


def _about(rates: RatePlan | None) -> str:
    if rates is None:
        return "Accuracy in %, three seeds, audio, image and text missing at the rate of the column. Nothing was run."
    fit = rates.plan.runs[0].config.fit
    where = "in training, validation and test" if rates.missing_in == "train-and-test" else "in the test split alone"
    return (
        f"Test accuracy in %, mean ± standard deviation over seeds {', '.join(map(str, rates.plan.seeds))}. Modalities "
        f"are missing {where}. All systems and seeds see the same masks, and are trained with one recipe: frozen "
        f"embeddings where the method has them, backbone {fit.backbone}, {fit.epochs} epochs, batches of "
        f"{fit.batch_size}, {fit.optimizer}, learning rate {fit.lr:g}, the best epoch chosen on the validation split."
    )


def _table(table: RateTable, rates: RatePlan) -> list[str]:
    protocol = PROTOCOLS[table.protocol]
    names = [_column(table, place) for place in range(len(table.conditions))]
    lines = [
        f"## {table.data}, protocol {table.protocol}",
        "",
        f"Protocol {table.protocol} ({protocol.source}): {protocol.summary}.",
        "",
        *table_header(("system", *names, "area")),
        table_line(("*cells missing, %*", *(f"*{100 * s.cells_missing:.1f}*" for s in table.shares), "")),
        table_line(("*samples complete, %*", *(f"*{100 * s.complete:.1f}*" for s in table.shares), "")),
    ]
    for system in rates.plan.systems:
        lines.append(table_line((row_name(system), *table.rows[system], table.area(system) or "")))
        lines += [table_line(row) for row in _published_row(system, table)]
    lines += [
        "",
        "Area: under the accuracy over the share of cells that are missing, divided by the range of that share; "
        "nothing where the range is zero. That of published rows is over the nominal rate.",
        "",
        f"### {table.data}, protocol {table.protocol}: verdicts",
        "",
    ]
    footnotes, judged = Footnotes(), judge_table(table, rates)
    lines += table_header(("system", "rate", AS_PUBLISHED, "measured", "verdict", "why"))
    for number in judged:
        verdict = (f"**{number.verdict.word}**", footnotes.cite(number.verdict))
        lines.append(table_line((*number.labels[1:], number.published, number.measured, *verdict)))
    return [*lines, *footnotes.lines(), ""]


def _column(table: RateTable, place: int) -> str:
    rate = table.conditions[place].rate
    return table.protocol if rate is None else f"{100 * rate:g} %"


def _published_row(system: System, table: RateTable) -> list[tuple[str, ...]]:
    cells = {float(c.column) / 100: c for c in CELLS_2 if PUBLISHED[c.row[0]] == system.name}
    if not cells:
        return []
    shown = [cells.get(condition.rate or -1.0) for condition in table.conditions]
    name = next(iter(cells.values())).row[0]
    area = f"*{100 * published_scores()[system.name]:.1f}*"
    return [(f"*published: {name}, IEMOCAP*", *(f"*{cell.printed}*" if cell else "" for cell in shown), area)]


def _printed_table(table: RateTable, rates: RatePlan) -> list[str]:
    names = [_column(table, place) for place in range(len(table.conditions))]
    rows = [
        ("cells missing, %", *(f"{100 * s.cells_missing:.1f}" for s in table.shares), ""),
        ("samples complete, %", *(f"{100 * s.complete:.1f}" for s in table.shares), ""),
    ]
    for system in rates.plan.systems:
        rows.append((row_name(system), *map(str, table.rows[system]), str(table.area(system) or "")))
    header = (f"{table.data}, {table.protocol}, missing in {rates.missing_in}", *names, "area")
    return [*columns([header, *rows]), ""]


def _printed_published(judged: Sequence[JudgedNumber]) -> list[str]:
    footnotes = Footnotes()
    header, *rows = _published_rows(judged, footnotes)
    return [*columns([header, *rows]), *footnotes.lines()]


def _published_alone(judged: Sequence[JudgedNumber]) -> list[str]:
    """Return the published table alone, with the reasons why its numbers were not run."""
    footnotes = Footnotes()
    header, *rows = _published_rows(judged, footnotes)
    return [*table_header(header), *map(table_line, rows), *footnotes.lines()]


def _published_rows(judged: Sequence[JudgedNumber], footnotes: Footnotes) -> list[tuple[str, ...]]:
    rows = [("method", *(f"{rate} %" for rate in dict.fromkeys(cell.column for cell in CELLS_2)), "verdict", "why")]
    for method in PUBLISHED:
        row = [number for number in judged if number.cell and number.cell.row[0] == method]
        verdict = row[0].verdict
        rows.append((method, *(n.published for n in row), verdict.word, footnotes.cite(verdict)))
    return rows


def _rankings(tables: Sequence[RateTable]) -> list[str]:
    """Return how alike the protocols rank the systems, by data set."""
    lines = [
        "## Rankings",
        "",
        "Systems ranked by the area, or by the mean accuracy where there is none. Kendall's tau of two rankings: 1 "
        "where they are the same, -1 where one is the other reversed; in brackets the number of systems that both "
        f"have. *{AS_PUBLISHED}* is the ranking of the published rows.",
        "",
    ]
    for data in dict.fromkeys(table.data for table in tables):
        scores = _scores(tables, data)
        tau = rank_agreement(scores)
        names = list(scores)
        lines += table_header((data, *names[1:]))
        for place, first in enumerate(names[:-1]):
            cells = ["" if other <= place else _told(*tau[first, names[other]]) for other in range(1, len(names))]
            lines.append(table_line((first, *cells)))
        lines += ["", *(f"- {name}: {_ranked(of_systems)}" for name, of_systems in scores.items()), ""]
    return lines


def _ranked(scores: Mapping[str, float]) -> str:
    return " > ".join(sorted(scores, key=lambda name: -scores[name]))


def _told(tau: float | None, systems: int) -> str:
    return f"{'–' if tau is None else f'{tau:.2f}'} ({systems})"


def _scores(tables: Sequence[RateTable], data: str) -> dict[str, dict[str, float]]:
    """Return the scores that systems are ranked by under each protocol on one data set, then the published ones."""
    found = {t.protocol: {s.name: t.score(s).mean for s in t.rows} for t in tables if t.data == data}
    return {**found, AS_PUBLISHED: published_scores()}


def _table_as_json(table: RateTable) -> dict[str, Any]:
    def of_row(system: System) -> dict[str, Any]:
        area = table.area(system)
        return {
            "system": system.name,
            "inference": inference_of(system.method),
            "accuracy": [cell_as_json(cell) for cell in table.rows[system]],
            "area": area and cell_as_json(area),
        }

    return {
        "data": table.data,
        "protocol": table.protocol,
        "rates": [condition.rate for condition in table.conditions],
        "scenarios": [condition.manifest.as_yaml()["scenarios"] for condition in table.conditions],
        "cells_missing": [shares.cells_missing for shares in table.shares],
        "complete": [shares.complete for shares in table.shares],
        "rows": [of_row(system) for system in table.rows],
    }
