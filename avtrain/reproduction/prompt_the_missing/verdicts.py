"""Verdicts on the numbers of *Prompt the Missing*: pure functions of what was published and what was measured."""

from dataclasses import dataclass

from avtrain.report.results import Cell
from avtrain.reproduction.prompt_the_missing.published import DATA, Accuracy, Efficiency
from avtrain.reproduction.verdict import (
    NOT_COMPARABLE,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    SLACK,
    Verdict,
    judge,
)

RELATIVE_TOLERANCE = 0.1  # of sizes, times and ratios, as a fraction of the published value
ROUNDING = 0.0005  # of a published percentage with one decimal


@dataclass(frozen=True)
class PromptSetting:
    """Circumstances of a measurement that decide whether it can be compared with published numbers.

    Attributes:
        data: name of the data set.
        their_pairs: whether the data set was built from the release by Guo et al., which has the same images.
        row_split: whether a recording may be in two splits, as in published work.
        preset: the scenarios: "fair", "poster" or "poster-fixed".
        backbone: name of the backbone.
        size: of a CAV-MAE; None for another backbone.
        weights: file of the weights of a CAV-MAE; None: random weights.
        epochs_scale: factor on each method's number of epochs.
        differences: of each system's configuration from the published recipe, in words, where one is known.
    """

    data: str
    their_pairs: bool
    row_split: bool
    preset: str
    backbone: str
    size: str | None
    weights: str | None
    epochs_scale: float
    differences: tuple[tuple[str, tuple[str, ...]], ...] = ()


def judge_accuracy(published: Accuracy, measured: Cell | None, setting: PromptSetting) -> Verdict:
    """Return "reproduced" if the difference is at most 2 points or 2 standard deviations and nothing forbids comparing.

    Args:
        published: the claim.
        measured: accuracies, 0 to 1, one a seed; None where there are none.
        setting: circumstances of the measurement.
    """
    absent = f"no {published.scenario} here for that system and way of inference"
    return judge(published.value, measured, accuracy_reasons(published, setting), absent)


def judge_efficiency(published: Efficiency, measured: float | None, setting: PromptSetting) -> Verdict:
    """Return "reproduced" if the difference is at most a tenth of the published value and nothing forbids comparing.

    A published saving that does not follow from the cells of its table is "not reproduced", whatever is measured.

    Args:
        published: the claim.
        measured: in the unit of the claim; None where it was not measured.
        setting: circumstances of the measurement.
    """
    own = published.own_arithmetic
    if own is not None and _rounded_apart(published.value, own):
        return Verdict(NOT_REPRODUCED, (f"its own table gives {100 * own:.1f} %",))
    reasons = (*published.reasons, *architecture_reasons(setting))
    if measured is None:
        return Verdict(NOT_RUN, (*reasons, _not_measured(published)))
    if reasons:
        return Verdict(NOT_COMPARABLE, reasons)
    apart = abs(measured - published.value) / published.value
    word = REPRODUCED if apart <= RELATIVE_TOLERANCE + SLACK else NOT_REPRODUCED
    return Verdict(word, (f"{100 * apart:.0f} % apart",))


def accuracy_reasons(published: Accuracy, setting: PromptSetting) -> tuple[str, ...]:
    """Return why a measured accuracy can neither confirm nor refute the published one; empty where it can.

    Args:
        published: the claim.
        setting: circumstances of the measurement.
    """
    reasons = [*published.reasons, *architecture_reasons(setting)]
    if setting.backbone == "cav-mae" and setting.weights is None:
        reasons.append("CAV-MAE with random weights, not pretrained ones")
    if setting.data not in DATA:
        reasons.append(f"other data: {setting.data}, not {' or '.join(DATA.values())}")
    elif published.data not in (None, setting.data):
        reasons.append(f"other data: {DATA[setting.data]}, not {DATA[str(published.data)]}")
    elif not setting.their_pairs:
        reasons.append("other images: the data set was not built from the release by Guo et al.")
    if not setting.row_split:
        reasons.append("other data split: the original is not public; public ones leak recordings, this one does not")
    if setting.preset != "poster" and published.scenario != "C":
        weaker = ", whose D is weaker than A and V" if published.scenario in ("D", "mean") else ""
        reasons.append(f"other noise: the published one is --preset poster{weaker}")
    reasons += dict(setting.differences).get(published.system, ())
    if setting.epochs_scale != 1:
        reasons.append(f"the number of epochs was scaled by {setting.epochs_scale:g}")
    return tuple(reasons)


def architecture_reasons(setting: PromptSetting) -> tuple[str, ...]:
    """Return why sizes and times cannot be compared with those of the published backbone; empty where they can."""
    if setting.backbone != "cav-mae":
        return (f"other backbone: {setting.backbone}, not CAV-MAE",)
    return () if setting.size == "base" else (f"other backbone: CAV-MAE of size {setting.size}, not base",)


def _not_measured(published: Efficiency) -> str:
    if published.quantity in ("memory", "memory_saving"):
        return "not measured: on a CPU the memory of a single run is not known; benchmarks/training.py measures it"
    return "not measured: its systems are not in the plan, or their batch sizes differ"


def _rounded_apart(claimed: float, own: float) -> bool:
    """Return whether a claimed fraction differs from its own arithmetic by more than rounding."""
    return abs(claimed - round(own, 3)) > ROUNDING
