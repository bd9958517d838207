"""The efficiency table of *Prompt the Missing* as Markdown: costs of training, and verdicts on published ones."""

from collections.abc import Mapping, Sequence

from avtrain.reproduction.markdown import Footnotes, table_header, table_line
from avtrain.reproduction.prompt_the_missing.published import Efficiency
from avtrain.reproduction.prompt_the_missing.report import FULL, JudgedEfficiency
from avtrain.runs.cost import Cost

GIB = 2.0**30
COLUMNS = (
    "system", "batch size", "trained weights", "all weights", "peak memory", "seconds per epoch", "seconds to 99 %",
    "seconds for the cache", "times faster", "times less memory",
)  # fmt: skip


def cost_table(costs: Mapping[str, Cost]) -> list[str]:
    """Return the lines of the table of costs, and an explanation.

    Args:
        costs: by name of the system.
    """
    lines = table_header(COLUMNS)
    full = costs.get(FULL)
    for name, cost in costs.items():
        seconds = [f"{x:.3g}" for x in (cost.seconds_per_epoch, cost.seconds_to_nearly, cost.cache_seconds)]
        size = (cost.batch_size, f"{cost.trainable:,}", f"{cost.parameters:,}", _memory(cost))
        lines.append(table_line((name, *size, *seconds, *_ratios(cost, full))))
    explanation = [
        f"Ratios are relative to {FULL}. Seconds are of training alone, without validation and without the cache of a "
        "frozen backbone's tokens, which is built once and shared by systems and seeds. To 99 %: until the validation "
        "accuracy first reaches 99 % of its final value."
    ]
    if any(cost.memory_of == "process" for cost in costs.values()):
        explanation.append(
            "≤: the peak of the whole process, earlier runs included; benchmarks/training.py measures each run alone."
        )
    return [*lines, "", " ".join(explanation)]


def cost_verdicts(efficiency: Sequence[JudgedEfficiency]) -> list[str]:
    """Return the lines of the table of verdicts on published times, sizes and ratios, and their reasons."""
    lines = table_header(("published", "measured", "verdict", "why", "source", "confidence"))
    footnotes = Footnotes()
    for judged in efficiency:
        claim = judged.claim
        measured = "" if judged.measured is None else formatted(claim, judged.measured)
        verdict = (f"**{judged.verdict.word}**", footnotes.cite(judged.verdict))
        lines.append(table_line((claim.says, measured, *verdict, claim.source, claim.confidence)))
    return [*lines, *footnotes.lines()]


def _ratios(cost: Cost, full: Cost | None) -> tuple[str, str]:
    """Return how much faster than `full`, and how much less memory; empty where it is not known."""
    if full is None or cost.batch_size != full.batch_size:
        return "", ""
    faster = f"{full.seconds_per_epoch / cost.seconds_per_epoch:.1f}"
    full_memory, own_memory = full.own_peak_memory, cost.own_peak_memory
    return faster, f"{full_memory / own_memory:.1f}" if full_memory and own_memory else ""


def _memory(cost: Cost) -> str:
    if cost.peak_memory is None:
        return ""
    return f"{'≤ ' if cost.memory_of == 'process' else ''}{cost.peak_memory / GIB:.2f} GiB"


def formatted(claim: Efficiency, value: float) -> str:
    """Return a number in the unit of a claim.  value: in seconds, bytes, weights, or a fraction of 1."""
    formats = {
        "seconds": f"{value:.3g} s per epoch",
        "memory": f"{value / GIB:.2f} GiB",
        "trainable": f"{value / 1e6:.2f} M",
        "time_saving": f"{100 * value:.1f} %",
        "memory_saving": f"{100 * value:.1f} %",
    }
    return formats[claim.quantity]
