"""Numbers published with *Prompt the Missing* (CVPRW 2025), each with its source and how certain it is.

E. Park: Prompt the Missing, CVPRW 2025 (TMM-OpenWorld), pp. 1654-1662, and the two repositories that belong to it. Only
cells that this project has a source for are here; the other cells of its tables are not known to us.
"""

from dataclasses import dataclass
from typing import Literal

# verified: read in the source.  inferred: read in the source, but what the number stands for is our interpretation.
# quoted: as the task that asked for this comparison quotes the publication; we have not seen the original.
Confidence = Literal["verified", "inferred", "quoted"]
Quantity = Literal["seconds", "memory", "trainable", "times_faster", "times_less_memory", "memory_saving"]

DATA = {"urbansound8k-av": "UrbanSound8K-AV", "cifar10-av": "CIFAR10-AV"}
CAV_MAE, PROMPT = "finetune-clean", "prompt-from-finetune"  # our systems that these numbers are compared with
NAMES = {CAV_MAE: "CAV-MAE", PROMPT: "prompt learning"}

_PAPER_CODE = "README of pej0918/Prompt-The-Missing@6355093"
_FEBRUARY = "README of deepdaiv-multimodal/24f-Noise_Robust-AVClassification, February 2025"
_APRIL = "README of April 2025"
_TABLE = "Prompt the Missing, table for UrbanSound8K-AV, as quoted in this project's notes"
_QUOTED = "Prompt the Missing, as quoted in this project's task"
_DATA_UNKNOWN = "the data set that it was measured on is not stated in our sources"
_PARTIAL = (
    "the published prompts were trained on the first 30 % of every batch and CAV-MAE on whole batches; "
    "here both are trained on whole batches"
)


@dataclass(frozen=True)
class Accuracy:
    """A published accuracy under one scenario.

    Attributes:
        system: name of our system that it is compared with.
        scenario: C, A, V or D; or "mean", over these four.
        inference: oracle or concat; None for a system without prompts.
        value: accuracy, 0 to 1.
        source: where it was published.
        confidence: how certain it is.
        data: a key of DATA; None: not known.
        reasons: why no measurement made here can confirm or refute it.
    """

    system: str
    scenario: str
    inference: str | None
    value: float
    source: str
    confidence: Confidence
    data: str | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Efficiency:
    """A published time, memory or number of weights, or a ratio of CAV-MAE to prompt learning.

    Attributes:
        says: the claim in words.
        quantity: what it is about.
        system: name of our system that it is compared with; None: a ratio of both.
        value: seconds, bytes, number of weights, a factor, or a fraction of 1.
        source: where it was published.
        confidence: how certain it is.
        reasons: why no measurement made here can confirm or refute it.
        own_arithmetic: the ratio computed from its published parts.
    """

    says: str
    quantity: Quantity
    system: str | None
    value: float
    source: str
    confidence: Confidence
    reasons: tuple[str, ...] = ()
    own_arithmetic: float | None = None


def _row(values: tuple[float, ...], source: str) -> tuple[Accuracy, ...]:
    """Return the claims on C, A, V and D of prompt learning, in this order."""
    return tuple(
        Accuracy(PROMPT, scenario, "oracle", value, source, "inferred", None, (_DATA_UNKNOWN,))
        for scenario, value in zip("CAVD", values, strict=True)
    )


ACCURACIES: tuple[Accuracy, ...] = (
    Accuracy(CAV_MAE, "A", None, 0.69, _TABLE, "inferred", "urbansound8k-av"),
    Accuracy(CAV_MAE, "D", None, 0.71, _TABLE, "inferred", "urbansound8k-av"),
    # the source names no scenario; that it is the mean over all four is our interpretation
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
_UNKNOWN_TIME = "what was timed, and on which device, is not stated in our sources"

EFFICIENCY: tuple[Efficiency, ...] = (
    Efficiency("prompt learning takes 2.4 s", "seconds", PROMPT, 2.4, _QUOTED, "quoted", (_UNKNOWN_TIME, _PARTIAL)),
    Efficiency("prompt learning needs 17.85 GiB", "memory", PROMPT, _PROMPT_MEMORY, _QUOTED, "quoted", (_PARTIAL,)),
    Efficiency("CAV-MAE needs 95.12 GiB", "memory", CAV_MAE, _CAV_MAE_MEMORY, _QUOTED, "quoted", (_PARTIAL,)),
    Efficiency("CAV-MAE trains 86.4 M weights", "trainable", CAV_MAE, 86.4e6, _QUOTED, "quoted"),
    Efficiency("prompt learning trains 3.2 M weights", "trainable", PROMPT, 3.2e6, _QUOTED, "quoted"),
    Efficiency("25 times faster", "times_faster", None, 25.0, _QUOTED, "quoted", (_PARTIAL,)),
    Efficiency("5.3 times less memory", "times_less_memory", None, 5.3, _QUOTED, "quoted", (_PARTIAL,), _RATIO),
    Efficiency("82.3 % of memory saved", "memory_saving", None, 0.823, _QUOTED, "quoted", (_PARTIAL,), 1 - 1 / _RATIO),
)
