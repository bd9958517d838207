"""Verdicts on the 84 numbers of MLA's Table 2, and how far protocols rank the systems alike."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import kendalltau

from avtrain.methods.registry import all_methods
from avtrain.reproduction.mla.missing_rates import PUBLISHED
from avtrain.reproduction.mla.missing_rates_runs import RatePlan, RateTable
from avtrain.reproduction.mla.published import CELLS_2, ENCODERS
from avtrain.reproduction.mla.verdicts import published_data
from avtrain.reproduction.published_cells import PublishedCell
from avtrain.reproduction.system import System
from avtrain.reproduction.verdict import NOT_RUN, JudgedNumber, Verdict, judge

PROTOCOL = "cpm"  # of the published masks
PUBLISHED_MODALITIES = ("audio", "image", "text")
PUBLISHED_SEEDS = 3
NO_MANIFEST = "no manifest of a data set was given"
SAME_SPEAKERS = (
    "other data split: the published one is a random one of utterances, with the same speakers in training and test, "
    "and has no validation split"
)
ON_TEST = "best epoch: chosen on validation here, on test in the published run"
OTHER_RECIPE = (
    "one recipe for all rows here; the published rows are of different codes, each with its own, and most seem to be "
    "taken over from another publication"
)
MASKS = "masks: one for each sample by its id here; in the published code drawn anew for the whole list in every run"


def judge_nothing() -> list[JudgedNumber]:
    """Return all 84 numbers as not run, each with what is missing."""
    return [_number(cell, "", "", Verdict(NOT_RUN, (NO_MANIFEST, *_no_method(cell)))) for cell in CELLS_2]


def judge_table(table: RateTable, rates: RatePlan) -> list[JudgedNumber]:
    """Return a verdict on each of the 84 numbers against one data set under one protocol.

    Args:
        table: measured.
        rates: the plan.
    """
    by_name = {system.name: system for system in table.rows}
    by_rate = {c.rate: place for place, c in enumerate(table.conditions) if c.rate is not None}
    found = []
    for cell in CELLS_2:
        system, place = by_name.get(PUBLISHED[cell.row[0]]), by_rate.get(float(cell.column) / 100)
        measured = None if system is None or place is None else table.rows[system][place]
        because = reasons(table, rates, system) if measured is not None and system is not None else ()
        absent = _absent(cell, table, system is not None)
        verdict = judge(cell.fraction_of_percent, measured, because, absent)
        found.append(_number(cell, f"{table.data}, {table.protocol}", str(measured or ""), verdict))
    return found


def reasons(table: RateTable, rates: RatePlan, system: System) -> tuple[str, ...]:
    """Return why a row's accuracies can neither confirm nor refute the published ones.

    Args:
        table: measured.
        rates: the plan.
        system: the row.
    """
    found = []
    if published_data(table.data) != "iemocap":
        found.append(f"other data: {table.data}, not IEMOCAP")
    found.append(SAME_SPEAKERS)
    if (there := rates.modalities[table.data]) != PUBLISHED_MODALITIES:
        found.append(f"modalities: {', '.join(there)} here; {', '.join(PUBLISHED_MODALITIES)} published")
    if table.protocol != PROTOCOL:
        found.append(f"other missing protocol: {table.protocol}, not {PROTOCOL}")
    else:
        found.append(MASKS)
    if rates.missing_in == "test":
        found.append("missing in test alone; in the published runs in training too, at the same rate")
    fit = next(p.config.fit for p in rates.plan.runs if p.system == system)
    frozen = "frozen " if fit.method_options.get("frozen", False) else ""
    found.append(f"other encoders: {frozen}{fit.backbone}{_named(fit.backbone_options)}, not {ENCODERS['iemocap']}")
    found.append(OTHER_RECIPE)
    if len(rates.plan.seeds) != PUBLISHED_SEEDS:
        found.append(f"seeds: {len(rates.plan.seeds)} here, the mean of {PUBLISHED_SEEDS} published")
    if fit.select_on != "test":
        found.append(ON_TEST)
    return tuple(found)


def published_scores() -> dict[str, float]:
    """Return the area under each published row over the nominal rate, divided by its range, by our names of methods."""
    rows: dict[str, list[PublishedCell]] = {}
    for cell in CELLS_2:
        rows.setdefault(PUBLISHED[cell.row[0]], []).append(cell)
    return {name: _mean_height(cells) for name, cells in rows.items()}


def rank_agreement(scores: Mapping[str, Mapping[str, float]]) -> dict[tuple[str, str], tuple[float | None, int]]:
    """Return Kendall's tau (b) of each pair of rankings, and the number of systems that both rank.

    Args:
        scores: ranking -> system -> score, the higher the better.

    Returns:
        Tau from -1 to 1; None where fewer than two systems are shared, or one ranking does not tell them apart.
    """
    names = list(scores)
    pairs = [(first, second) for place, first in enumerate(names) for second in names[place + 1 :]]
    return {pair: _tau(*(scores[name] for name in pair)) for pair in pairs}


def _tau(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[float | None, int]:
    shared = [name for name in first if name in second]
    if len(shared) < 2:
        return None, len(shared)
    tau = float(kendalltau([first[name] for name in shared], [second[name] for name in shared]).statistic)
    return (None if np.isnan(tau) else tau), len(shared)


def _mean_height(cells: Sequence[PublishedCell]) -> float:
    x, y = [float(cell.column) for cell in cells], [cell.fraction_of_percent for cell in cells]
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def _number(cell: PublishedCell, where: str, measured: str, verdict: Verdict) -> JudgedNumber:
    labels = (*([where] if where else []), *cell.row, f"{cell.column} %")
    return JudgedNumber(cell, labels, cell.printed, measured, verdict)


def _absent(cell: PublishedCell, table: RateTable, chosen: bool) -> str:
    if no_method := _no_method(cell):
        return no_method[0]
    if not chosen:
        return f"--methods leaves out {PUBLISHED[cell.row[0]]}"
    if table.conditions[0].rate is None:
        return f"protocol {table.protocol} has no rate"
    return f"--rates leaves out {cell.column} %"


def _no_method(cell: PublishedCell) -> tuple[str, ...]:
    return () if PUBLISHED[cell.row[0]] in all_methods() else (f"avtrain has no method {cell.row[0]}",)


def _named(options: Mapping[str, object]) -> str:
    shown = ", ".join(f"{key} {value}" for key, value in options.items())
    return f" ({shown})" if shown else ""
