"""The cost of training a system: time, memory and parameters, as its runs recorded them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from avtrain.runs.folder import Run

NEARLY = 0.99  # of the accuracy after the last epoch


@dataclass(frozen=True)
class Cost:
    """The cost of training, over runs that differ only in their seed.

    Attributes:
        trainable: number of trainable parameters.
        parameters: number of all parameters.
        batch_size: samples in a batch.
        seconds_per_epoch: of training without scoring; median over epochs and seeds.
        seconds_to_nearly: of training until 99 % of the accuracy after the last epoch is reached; median over seeds.
        cache_seconds: of building the feature cache; maximum over seeds, since later seeds find it built.
        peak_memory: bytes, maximum over seeds; None where a run did not record it.
        memory_of: `cuda allocator`; or `process`, the peak of the whole process, which is an upper bound.
    """

    trainable: int
    parameters: int
    batch_size: int
    seconds_per_epoch: float
    seconds_to_nearly: float
    cache_seconds: float
    peak_memory: int | None
    memory_of: str

    @property
    def own_peak_memory(self) -> int | None:
        """Bytes of these runs alone; None where only the peak of the process is known, which other work may share."""
        return self.peak_memory if self.memory_of == "cuda allocator" else None


def cost(runs: Sequence[Run]) -> Cost:
    """Compute the cost of finished runs of one system."""
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
    """Return the seconds of training until the accuracy first reaches 99 % of that after the last epoch.

    Args:
        metrics: lines of all epochs, by `Run.metrics`.
    """
    wanted = NEARLY * metrics[-1]["mean"]
    seconds = 0.0
    for line in metrics:
        seconds += line["seconds"]["train"]
        if line["mean"] >= wanted:
            break
    return seconds
