"""Whether a number of the poster is reproduced: pure functions of what was published and what was measured on what."""

from dataclasses import dataclass

from avtrain.report.results import Cell
from avtrain.reproduction.prompt_the_missing.published import DATA, Accuracy, Efficiency
from avtrain.reproduction.verdict import NOT_COMPARABLE, NOT_REPRODUCED, REPRODUCED, SLACK, Verdict, judge

PART = 0.1  # sizes and times this close, as a part of what was published
ROUNDING = 0.0005  # of a published percentage with one decimal


@dataclass(frozen=True)
class PromptSetting:
    """What decides whether numbers measured here may stand beside published ones."""

    data: str  # the data set's own name
    their_pairs: bool  # built from the release by Guo et al.: the same pictures
    row_split: bool  # recordings may stand in two splits, as in published work
    preset: str
    backbone: str
    size: str | None  # of a CAV-MAE
    weights: str | None  # file of a CAV-MAE's; None: random
    epochs_scale: float


def judge_accuracy(published: Accuracy, measured: Cell | None, setting: PromptSetting) -> Verdict:
    """Reproduced: within 2 points or 2 standard deviations, where no reason forbids to compare."""
    absent = f"no {published.scenario} here for that system and way of inference"
    return judge(published.value, measured, accuracy_reasons(published, setting), absent)


def judge_efficiency(published: Efficiency, measured: float | None, setting: PromptSetting) -> Verdict:
    """Reproduced: within a tenth, where no reason forbids to compare.

    A ratio that the published parts do not give is not reproduced, whatever is measured.
    """
    own = published.own_arithmetic
    if own is not None and _rounded_apart(published.value, own):
        return Verdict(NOT_REPRODUCED, (f"the published parts themselves give {_percent_or_factor(published, own)}",))
    reasons = (*published.reasons, *architecture_reasons(setting))
    if measured is None:
        reasons = (*reasons, _not_measured(published))
    if reasons or measured is None:
        return Verdict(NOT_COMPARABLE, reasons)
    apart = abs(measured - published.value) / published.value
    return Verdict(REPRODUCED if apart <= PART + SLACK else NOT_REPRODUCED, (f"{100 * apart:.0f} % apart",))


def accuracy_reasons(published: Accuracy, setting: PromptSetting) -> tuple[str, ...]:
    """Why an accuracy measured under this setting says nothing about the published one; empty where it does."""
    reasons = [*published.reasons, *architecture_reasons(setting)]
    if setting.backbone == "cav-mae" and setting.weights is None:
        reasons.append("CAV-MAE with random weights, not pretrained ones")
    if setting.data not in DATA:
        reasons.append(f"other data: {setting.data}, not {' or '.join(DATA.values())}")
    elif published.data not in (None, setting.data):
        reasons.append(f"other data: {DATA[setting.data]}, not {DATA[str(published.data)]}")
    elif not setting.their_pairs:
        reasons.append("other pictures: the data set was not built from the release by Guo et al.")
    if not setting.row_split:
        reasons.append("other data split: theirs is not public; those that are leak recordings, this one does not")
    if setting.preset != "poster" and published.scenario != "C":
        weaker = ", and its D is weaker than A and V" if published.scenario in ("D", "mean") else ""
        reasons.append(f"other noise: theirs is --preset poster{weaker}")
    if setting.epochs_scale != 1:
        reasons.append(f"training was scaled to {setting.epochs_scale:g} of its epochs")
    return tuple(reasons)


def architecture_reasons(setting: PromptSetting) -> tuple[str, ...]:
    """Why sizes and times of another backbone than the published one are another matter."""
    if setting.backbone != "cav-mae":
        return (f"other backbone: {setting.backbone}, not CAV-MAE",)
    return () if setting.size == "base" else (f"other backbone: CAV-MAE of size {setting.size}, not base",)


def _not_measured(published: Efficiency) -> str:
    if published.quantity in ("memory", "times_less_memory", "memory_saving"):
        return "not measured: on a CPU a run's own memory cannot be told here; benchmarks/training.py measures it"
    return "not measured: the plan leaves its systems out, or their batch sizes differ"


def _rounded_apart(claimed: float, own: float) -> bool:
    places = 3 if claimed < 1 else 1
    return abs(claimed - round(own, places)) > ROUNDING


def _percent_or_factor(published: Efficiency, value: float) -> str:
    return f"{100 * value:.1f} %" if published.quantity == "memory_saving" else f"{value:.1f} times"
