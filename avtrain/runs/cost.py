"""What training a system cost, from what its runs wrote down."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from avtrain.runs.folder import Run

NEARLY = 0.99  # of the final validation accuracy


@dataclass(frozen=True)
class Cost:
    """Of runs that differ by their seed alone."""

    trainable: int
    parameters: int
    batch_size: int
    seconds_per_epoch: float  # training alone; median over epochs and seeds
    seconds_to_nearly: float  # training alone, until 99 % of the final validation accuracy; median over seeds
    cache_seconds: float  # the most of any seed: others find the tokens of a frozen backbone there
    peak_memory: int | None  # bytes, the most of any seed; None for a run of an earlier version
    memory_of: str  # "cuda allocator", or "process": all that the process ever held, which is an upper bound

    @property
    def own_peak_memory(self) -> int | None:
        """Bytes that are known to be these runs' alone: a process's high-water mark is that of all it ever did."""
        return self.peak_memory if self.memory_of == "cuda allocator" else None


def cost(runs: Sequence[Run]) -> Cost:
    """The cost of finished runs of one system."""
    results = [run.read_json("result.json") for run in runs]
    lines = [run.metrics() for run in runs]
    memory = [result["peak_memory"] for result in results if result.get("peak_memory")]
    return Cost(
        trainable=results[0]["trainable_parameters"],
        parameters=results[0]["parameters"],
        batch_size=runs[0].config().fit.batch_size,
        seconds_per_epoch=median(line["seconds"]["train"] for metrics in lines for line in metrics),
        seconds_to_nearly=median(seconds_to_nearly(metrics) for metrics in lines),
        cache_seconds=max(result["cache_seconds"] for result in results),
        peak_memory=max(found["bytes"] for found in memory) if len(memory) == len(runs) else None,
        memory_of=memory[0]["of"] if memory else "",
    )


def seconds_to_nearly(metrics: Sequence[dict[str, Any]]) -> float:
    """Seconds of training until validation first reaches 99 % of what it ends with.

    metrics: the lines of all epochs.
    """
    wanted = NEARLY * metrics[-1]["mean"]
    spent = 0.0
    for line in metrics:
        spent += line["seconds"]["train"]
        if line["mean"] >= wanted:
            break
    return spent
