"""Numbers published with *Prompt the Missing* (CVPRW 2025), each with its source and how certain it is.

E. Park: Prompt the Missing, CVPRW 2025 (TMM-OpenWorld), pp. 1654-1662, and the two repositories that belong to it.  The
three tables are read from the poster; urbansound8k_av.csv, cifar10_av.csv and efficiency.csv hold them as printed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from avtrain.reproduction.published_cells import PublishedCell, by_place, read_table

# seen: read in the publication itself.  verified: read in the source.  inferred: read in the source, but what the
# number stands for is our interpretation.  claimed: stated in words by the publication, not a cell of its tables.
Confidence = Literal["seen", "verified", "inferred", "claimed"]
Quantity = Literal["seconds", "memory", "trainable", "time_saving", "memory_saving"]

DATA = {"urbansound8k-av": "UrbanSound8K-AV", "cifar10-av": "CIFAR10-AV"}
CAV_MAE, PROMPT = "finetune-clean", "prompt-from-finetune"  # our systems that these numbers are compared with
NAMES = {
    CAV_MAE: "CAV-MAE",
    "finetune": "fine-tuning",
    "lora": "LoRA",
    "adapter": "adapter",
    PROMPT: "prompt learning",
}

_FOLDER = "avtrain.reproduction.prompt_the_missing"
URBANSOUND_CELLS = read_table(_FOLDER, "urbansound8k_av.csv", "P1")
CIFAR_CELLS = read_table(_FOLDER, "cifar10_av.csv", "P2")
EFFICIENCY_CELLS = read_table(_FOLDER, "efficiency.csv", "P3")
CELLS = (*URBANSOUND_CELLS, *CIFAR_CELLS, *EFFICIENCY_CELLS)
AVERAGE = "Avg."

# columns of the accuracy tables and rows of the efficiency table, and our systems
_SYSTEMS = {"CAV-MAE": CAV_MAE, "LoRA": "lora", "Adapter": "adapter", "Prompt learning": PROMPT}
_EFFICIENCY_SYSTEMS = {"Fine-tuning": "finetune", "LoRA": "lora", "Adapter": "adapter", "Prompt learning": PROMPT}

_PAPER_CODE = "README of pej0918/Prompt-The-Missing@6355093"
_FEBRUARY = "README of deepdaiv-multimodal/24f-Noise_Robust-AVClassification, February 2025"
_ACCURACY_TABLE = "Poster, table of accuracy on {}"
_EFFICIENCY_TABLE = "Poster, table of efficiency"
_WORDS = "Poster, text"
_DATA_UNKNOWN = "the data set that it was measured on is not stated in our sources"
_SPLIT_UNKNOWN = "the split and the seeds are not stated in the poster"
_RECIPE_UNKNOWN = "the recipe of {} is not stated in our sources"
_REGIME_UNKNOWN = "what {} was trained on, clean data or noise, is not stated in our sources"
_PROMPT_RECIPE = (
    "the published prompts were trained with Adam and binary cross-entropy, one set of prompts for each condition, "
    "and kept at the lowest training loss; here with AdamW and cross-entropy, all together, by validation"
)
_PARTIAL = (
    "the published prompts were trained on the first 30 % of every batch and CAV-MAE on whole batches; "
    "here both are trained on whole batches"
)
_UNKNOWN_TIME = "what was timed, and on which device, is not stated in our sources"


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
        cell: of the poster's tables; None: of another source.
    """

    system: str
    scenario: str
    inference: str | None
    value: float
    source: str
    confidence: Confidence
    data: str | None
    reasons: tuple[str, ...] = ()
    cell: PublishedCell | None = None


@dataclass(frozen=True)
class Efficiency:
    """A published time, memory or number of weights, or what prompt learning saves of fine-tuning's.

    Attributes:
        says: the claim in words.
        quantity: what it is about.
        system: name of our system that it is compared with; None: a saving, of both.
        value: seconds, bytes, number of weights, or a fraction of 1.
        source: where it was published.
        confidence: how certain it is.
        reasons: why no measurement made here can confirm or refute it.
        own_arithmetic: the saving computed from the cells of the table.
        cell: of the poster's table; None: a statement in its text.
    """

    says: str
    quantity: Quantity
    system: str | None
    value: float
    source: str
    confidence: Confidence
    reasons: tuple[str, ...] = ()
    own_arithmetic: float | None = None
    cell: PublishedCell | None = None


def _unknown(system: str) -> tuple[str, ...]:
    """Return what the poster does not say of how a system was trained."""
    name = NAMES[system]
    if system == PROMPT:
        return (_SPLIT_UNKNOWN, _PROMPT_RECIPE, _PARTIAL)
    if system == CAV_MAE:
        return (_SPLIT_UNKNOWN, _RECIPE_UNKNOWN.format(name))
    return (_SPLIT_UNKNOWN, _RECIPE_UNKNOWN.format(name), _REGIME_UNKNOWN.format(name))


def _accuracies(cells: tuple[PublishedCell, ...], data: str) -> tuple[Accuracy, ...]:
    """Return the claims of one accuracy table; its average is the mean over its four conditions."""
    source = _ACCURACY_TABLE.format(DATA[data])
    claims = []
    for cell in cells:
        system = _SYSTEMS[cell.column]
        scenario = "mean" if cell.row[0] == AVERAGE else cell.row[0]
        mode = "oracle" if system == PROMPT else None
        claims.append(Accuracy(system, scenario, mode, cell.number, source, "seen", data, _unknown(system), cell))
    return tuple(claims)


def _efficiency_accuracies(cells: Mapping[tuple[str, ...], PublishedCell]) -> tuple[Accuracy, ...]:
    """Return the claims of the accuracy column of the efficiency table, whose data set is not named."""
    claims = []
    for name, system in _EFFICIENCY_SYSTEMS.items():
        cell, mode = cells[name, "accuracy"], "oracle" if system == PROMPT else None
        reasons = (_DATA_UNKNOWN, *_unknown(system))
        claims.append(Accuracy(system, "mean", mode, cell.number, _EFFICIENCY_TABLE, "seen", None, reasons, cell))
    return tuple(claims)


_TABLE_3 = by_place(EFFICIENCY_CELLS)

ACCURACIES: tuple[Accuracy, ...] = (
    *_accuracies(URBANSOUND_CELLS, "urbansound8k-av"),
    *_accuracies(CIFAR_CELLS, "cifar10-av"),
    *_efficiency_accuracies(_TABLE_3),
    # the source names no scenario; that it is the mean over all four is our interpretation
    Accuracy(PROMPT, "mean", "oracle", 0.87, _PAPER_CODE, "inferred", "urbansound8k-av"),
    Accuracy(PROMPT, "mean", "oracle", 0.86, _PAPER_CODE, "inferred", "cifar10-av"),
    Accuracy(PROMPT, "mean", "concat", 0.76, _PAPER_CODE, "inferred", "urbansound8k-av"),
    Accuracy(PROMPT, "mean", "concat", 0.74, _PAPER_CODE, "inferred", "cifar10-av"),
    *(
        Accuracy(PROMPT, scenario, "oracle", value, _FEBRUARY, "inferred", None, (_DATA_UNKNOWN,))
        for scenario, value in zip("CAVD", (0.99, 0.79, 0.86, 0.80), strict=True)
    ),
)

# column of the table -> what it is, how it is said, and its unit in seconds, bytes or weights
_COLUMNS: Mapping[str, tuple[Quantity, str, float]] = {
    "trainable (M)": ("trainable", "trains {} M weights", 1e6),
    "total memory (GiB)": ("memory", "needs {} GiB", 2.0**30),
    "time an epoch (s)": ("seconds", "takes {} s an epoch", 1.0),
}


def _costs(cells: Mapping[tuple[str, ...], PublishedCell]) -> tuple[Efficiency, ...]:
    """Return the claims of the efficiency table but for its accuracies."""
    claims = []
    for name, system in _EFFICIENCY_SYSTEMS.items():
        for column, (quantity, says, unit) in _COLUMNS.items():
            cell = cells[name, column]
            reasons = (_PARTIAL,) if system == PROMPT and quantity != "trainable" else ()
            reasons = (_UNKNOWN_TIME, *reasons) if quantity == "seconds" else reasons
            sentence = f"{NAMES[system]} {says.format(cell.printed)}"
            value = cell.number * unit
            claims.append(Efficiency(sentence, quantity, system, value, _EFFICIENCY_TABLE, "seen", reasons, cell=cell))
    return tuple(claims)


def own_saving(column: str) -> float:
    """Return the share of fine-tuning's time or memory that prompt learning saves, by the cells of the table."""
    return 1 - _TABLE_3["Prompt learning", column].number / _TABLE_3["Fine-tuning", column].number


_TIME, _MEMORY = own_saving("time an epoch (s)"), own_saving("total memory (GiB)")
EFFICIENCY: tuple[Efficiency, ...] = (
    *_costs(_TABLE_3),
    Efficiency("96 % of time saved", "time_saving", None, 0.96, _WORDS, "claimed", (_PARTIAL,), _TIME),
    Efficiency("82.3 % of memory saved", "memory_saving", None, 0.823, _WORDS, "claimed", (_PARTIAL,), _MEMORY),
)
