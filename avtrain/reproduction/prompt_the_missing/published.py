"""Numbers of the poster and of what was published with it, each with its source and how sure we are of it.

E. Park: Prompt the Missing, CVPRW 2025 (TMM-OpenWorld), pp. 1654-1662, and the two repositories that belong to it. Only
what we have seen is here; of the poster's tables we know these cells and no others.
"""

from dataclasses import dataclass
from typing import Literal

# verified: read in the source named.  inferred: read there, but what it stands for is our reading.
# quoted: as the task that asked for this comparison quotes the poster; we have not seen the place.
Confidence = Literal["verified", "inferred", "quoted"]
Quantity = Literal["seconds", "memory", "trainable", "times_faster", "times_less_memory", "memory_saving"]

DATA = {"urbansound8k-av": "UrbanSound8K-AV", "cifar10-av": "CIFAR10-AV"}
CAV_MAE, PROMPT = "finetune-clean", "prompt-from-finetune"  # the systems of ours that these numbers stand beside
NAMES = {CAV_MAE: "CAV-MAE", PROMPT: "prompt learning"}

_PAPER_CODE = "README of pej0918/Prompt-The-Missing@6355093"
_FEBRUARY = "README of deepdaiv-multimodal/24f-Noise_Robust-AVClassification, February 2025"
_APRIL = "README of April 2025"
_TABLE = "the poster's table for UrbanSound8K-AV, as this project's notes quote it"
_QUOTED = "the poster, as quoted in this project's task"
_DATA_UNKNOWN = "which data set it was measured on is not stated in what we have"
_PART = "theirs trained prompts on the first 30 % of every batch and CAV-MAE on all of it; here both see all"


@dataclass(frozen=True)
class Accuracy:
    """An accuracy, 0 to 1, under one scenario."""

    system: str  # one of ours, by its name in the plan
    scenario: str  # C, A, V, D; or mean, over these four
    inference: str | None
    value: float
    source: str
    confidence: Confidence
    data: str | None  # a key of DATA; None: not known
    reasons: tuple[str, ...] = ()  # why nothing that is measured here could confirm or refute it


@dataclass(frozen=True)
class Efficiency:
    """A time, a size or a ratio of CAV-MAE to prompt learning."""

    says: str
    quantity: Quantity
    system: str | None  # None: a ratio of both
    value: float  # seconds, bytes, weights, a factor or a part of 1
    source: str
    confidence: Confidence
    reasons: tuple[str, ...] = ()
    own_arithmetic: float | None = None  # what the published parts of a ratio give


def _row(values: tuple[float, ...], source: str) -> tuple[Accuracy, ...]:
    """C, A, V, D of prompt learning."""
    return tuple(
        Accuracy(PROMPT, scenario, "oracle", value, source, "inferred", None, (_DATA_UNKNOWN,))
        for scenario, value in zip("CAVD", values, strict=True)
    )


ACCURACIES: tuple[Accuracy, ...] = (
    Accuracy(CAV_MAE, "A", None, 0.69, _TABLE, "inferred", "urbansound8k-av"),
    Accuracy(CAV_MAE, "D", None, 0.71, _TABLE, "inferred", "urbansound8k-av"),
    # the source gives no scenario; an average over all four is our reading
    Accuracy(PROMPT, "mean", "oracle", 0.87, _PAPER_CODE, "inferred", "urbansound8k-av"),
    Accuracy(PROMPT, "mean", "oracle", 0.86, _PAPER_CODE, "inferred", "cifar10-av"),
    Accuracy(PROMPT, "mean", "concat", 0.76, _PAPER_CODE, "inferred", "urbansound8k-av"),
    Accuracy(PROMPT, "mean", "concat", 0.74, _PAPER_CODE, "inferred", "cifar10-av"),
    *_row((0.99, 0.94, 0.83, 0.88), _APRIL),
    Accuracy(PROMPT, "mean", "oracle", 0.91, _PAPER_CODE, "inferred", None, (_DATA_UNKNOWN,)),
    *_row((0.99, 0.79, 0.86, 0.80), _FEBRUARY),
)

_GIB = 2.0**30
_CAV_MAE_MEMORY, _PROMPT_MEMORY = 95.12 * _GIB, 17.85 * _GIB
_RATIO = _CAV_MAE_MEMORY / _PROMPT_MEMORY
_UNKNOWN_TIME = "what was timed, and on which device, is not stated in what we have"

EFFICIENCY: tuple[Efficiency, ...] = (
    Efficiency("prompt learning takes 2.4 s", "seconds", PROMPT, 2.4, _QUOTED, "quoted", (_UNKNOWN_TIME, _PART)),
    Efficiency("prompt learning needs 17.85 GiB", "memory", PROMPT, _PROMPT_MEMORY, _QUOTED, "quoted", (_PART,)),
    Efficiency("CAV-MAE needs 95.12 GiB", "memory", CAV_MAE, _CAV_MAE_MEMORY, _QUOTED, "quoted", (_PART,)),
    Efficiency("CAV-MAE trains 86.4 M weights", "trainable", CAV_MAE, 86.4e6, _QUOTED, "quoted"),
    Efficiency("prompt learning trains 3.2 M weights", "trainable", PROMPT, 3.2e6, _QUOTED, "quoted"),
    Efficiency("25 times faster", "times_faster", None, 25.0, _QUOTED, "quoted", (_PART,)),
    Efficiency("5.3 times less memory", "times_less_memory", None, 5.3, _QUOTED, "quoted", (_PART,), _RATIO),
    Efficiency("82.3 % of memory saved", "memory_saving", None, 0.823, _QUOTED, "quoted", (_PART,), 1 - 1 / _RATIO),
)
