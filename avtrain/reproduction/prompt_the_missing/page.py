"""The poster reproduced, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avbuild.dataset.storage import write_whole
from avtrain.report.tables import MEAN
from avtrain.reproduction.markdown import UNKNOWN, Notes, cell_as_json, table_head, table_line
from avtrain.reproduction.plan import ReproductionPlan
from avtrain.reproduction.prompt_the_missing.published import CAV_MAE, DATA, NAMES, PROMPT, Efficiency
from avtrain.reproduction.prompt_the_missing.report import FULL, ManifestTables, is_fair
from avtrain.runs.cost import Cost

GIB = 2.0**30
TITLES = {None: "", "oracle": "oracle (told the scenario)", "concat": "concat", "router": "router (told nothing)"}


def write(plan: ReproductionPlan, parts: Sequence[ManifestTables], out: Path) -> tuple[Path, Path]:
    """Write `poster.md` and `poster.json`; returns where."""
    page, data = out / "poster.md", out / "poster.json"
    write_whole(page, as_markdown(plan, parts))
    write_whole(data, json.dumps(as_json(plan, parts), indent=1, ensure_ascii=False) + "\n")
    return page, data


def as_markdown(plan: ReproductionPlan, parts: Sequence[ManifestTables]) -> str:
    """The page: what was run, then for each manifest accuracies, verdicts, costs, verdicts."""
    scale = "" if plan.epochs_scale == 1 else f"; epochs scaled by {plan.epochs_scale:g}"
    lines = [
        "# The poster, reproduced",
        "",
        f"Scenarios: {parts[0].setting.preset}. Seeds: {', '.join(map(str, plan.seeds))}{scale}. "
        "Test accuracy in %, mean ± standard deviation over n seeds. Best epoch by validation.",
        "",
        "- *reproduced*: within 2 points or 2 standard deviations; sizes, times and ratios within a tenth.",
        "- *not comparable*: something other than chance keeps the two apart; it says what.",
        f"- {CAV_MAE} is most likely the poster's row CAV-MAE; {PROMPT} is its prompt learning, begun as published.",
        "- Of the poster's tables only the cells shown are known to us; the others say so.",
        "",
    ]
    for part in parts:
        lines += [_heading(part), "", *_accuracies(part), "", *_verdicts_of_accuracy(part), ""]
        lines += [f"### {part.manifest.name}: what it costs", "", *_costs(part), "", *_verdicts_of_cost(part), ""]
    return "\n".join(lines)


def as_json(plan: ReproductionPlan, parts: Sequence[ManifestTables]) -> dict[str, Any]:
    """All of the page, unrounded."""
    return {
        "preset": parts[0].setting.preset,
        "seeds": list(plan.seeds),
        "epochs_scale": plan.epochs_scale,
        "manifests": [
            {
                "manifest": part.manifest.as_yaml(),
                "setting": asdict(part.setting),
                "fair": is_fair(part.manifest),
                "devices": list(part.devices),
                "accuracy": [
                    row.system.model_dump()
                    | {
                        "inference": row.inference,
                        "scenarios": {name: cell_as_json(cell) for name, cell in row.cells.items()},
                    }
                    for row in part.rows
                ],
                "published_accuracy": [
                    {"claim": asdict(j.claim), "measured": j.measured and cell_as_json(j.measured), **asdict(j.verdict)}
                    for j in part.accuracies
                ],
                "cost": {name: asdict(found) for name, found in part.costs.items()},
                "published_cost": [
                    {"claim": asdict(j.claim), "measured": j.measured, **asdict(j.verdict)} for j in part.efficiency
                ],
            }
            for part in parts
        ],
    }


def _heading(part: ManifestTables) -> str:
    s = part.setting
    strength = "D as strong as A and V" if is_fair(part.manifest) else "D is not A and V together"
    leaky = " (leaky split)" if s.row_split else ""
    where = "; ".join(part.devices)
    return f"## {part.manifest.name}{leaky}\n\nData {s.data}, backbone {s.backbone}; {strength}. Made on {where}."


def _accuracies(part: ManifestTables) -> list[str]:
    columns = (*part.manifest.scenarios, MEAN)
    lines = table_head(("system", "trained on", "inference", *columns, "n"))
    for row in part.rows:
        started = f", from {row.system.init_from}" if row.system.init_from else ""
        cells = [str(row.cells[c]) if c in row.cells else "" for c in columns]
        seeds = max(len(cell.values) for cell in row.cells.values())
        named = (row.system.name, row.system.train_on + started, TITLES[row.inference])
        lines.append(table_line((*named, *cells, seeds)))
    known: dict[tuple[str, str | None, str, str], dict[str, float]] = {}
    for judged in part.accuracies:
        claim = judged.claim
        on = DATA[claim.data] if claim.data else "data not stated"
        known.setdefault((claim.system, claim.inference, on, claim.source), {})[claim.scenario] = claim.value
    for (system, inference, on, source), values in known.items():
        cells = [f"*{100 * values[c]:.0f}*" if c in values else UNKNOWN for c in columns]
        name = f"*published: {NAMES[system]}, {on} ({source})*"
        lines.append(table_line((name, UNKNOWN, TITLES[inference], *cells, UNKNOWN)))
    return lines


def _verdicts_of_accuracy(part: ManifestTables) -> list[str]:
    lines = table_head(("published", "scenario", "theirs", "ours", "verdict", "why", "source", "confidence"))
    notes = Notes()
    for judged in part.accuracies:
        claim = judged.claim
        name = f"{NAMES[claim.system]}{f', {claim.inference}' if claim.inference else ''}"
        numbers = (f"{100 * claim.value:.0f}", judged.measured or "")
        verdict = (f"**{judged.verdict.word}**", notes.cite(judged.verdict))
        lines.append(table_line((name, claim.scenario, *numbers, *verdict, claim.source, claim.confidence)))
    return [*lines, *notes.lines()]


def _costs(part: ManifestTables) -> list[str]:
    columns = ("system", "batch", "trained", "of all", "peak memory", "s an epoch", "s to 99 %", "s for the cache")
    lines = table_head((*columns, "times faster", "times less memory"))
    full = part.costs.get(FULL)
    for name, found in part.costs.items():
        shown = [f"{x:.3g}" for x in (found.seconds_per_epoch, found.seconds_to_nearly, found.cache_seconds)]
        size = (found.batch_size, f"{found.trainable:,}", f"{found.parameters:,}", _memory(found))
        lines.append(table_line((name, *size, *shown, *_ratios(found, full))))
    notes = [
        f"Ratios are to {FULL}. Seconds are of training alone: validation is not in them, nor the cache of a frozen "
        "backbone's tokens, which systems and seeds share, so that only the first to need it pays. To 99 %: until "
        "validation first reaches 99 % of the accuracy it ends with."
    ]
    if any(found.memory_of == "process" for found in part.costs.values()):
        notes.append(
            "≤: the most this process ever held, earlier runs included; benchmarks/training.py has each alone."
        )
    return [*lines, "", " ".join(notes)]


def _verdicts_of_cost(part: ManifestTables) -> list[str]:
    lines = table_head(("published", "ours", "verdict", "why", "source", "confidence"))
    notes = Notes()
    for judged in part.efficiency:
        claim = judged.claim
        ours = "" if judged.measured is None else _shown(claim, judged.measured)
        verdict = (f"**{judged.verdict.word}**", notes.cite(judged.verdict))
        lines.append(table_line((claim.says, ours, *verdict, claim.source, claim.confidence)))
    return [*lines, *notes.lines()]


def _ratios(found: Cost, full: Cost | None) -> tuple[str, str]:
    if full is None or found.batch_size != full.batch_size:
        return "", ""
    times = f"{full.seconds_per_epoch / found.seconds_per_epoch:.1f}"
    both = full.own_peak_memory, found.own_peak_memory
    return times, f"{both[0] / both[1]:.1f}" if both[0] and both[1] else ""


def _memory(found: Cost) -> str:
    if found.peak_memory is None:
        return ""
    return f"{'≤ ' if found.memory_of == 'process' else ''}{found.peak_memory / GIB:.2f} GiB"


def _shown(claim: Efficiency, value: float) -> str:
    formats = {
        "seconds": f"{value:.3g} s an epoch",
        "memory": f"{value / GIB:.2f} GiB",
        "trainable": f"{value / 1e6:.2f} M",
        "times_faster": f"{value:.1f}",
        "times_less_memory": f"{value:.1f}",
        "memory_saving": f"{100 * value:.1f} %",
    }
    return formats[claim.quantity]
