"""Whether an accuracy of MLA's tables is reproduced: pure functions of what was published, and what was measured on."""

import re
from dataclasses import dataclass

from avtrain.config import Selection
from avtrain.report.results import Cell
from avtrain.reproduction.mla.published import DATA, RESNETS, SAME_PEOPLE, Claim
from avtrain.reproduction.verdict import Verdict, judge


@dataclass(frozen=True)
class MlaSetting:
    """What decides whether a row measured here may stand beside published numbers."""

    data: str  # the data set's own name
    row_split: bool  # recordings of one group may stand in two splits, as in published work
    backbone: str
    frozen: bool
    epochs: int
    frames: int | None  # of a sample; None: not known
    selected_on: Selection


def published_data(name: str) -> str | None:
    """The key of DATA that a data set's name stands for, however it is written: `cremad-av` is CREMA-D."""
    letters = re.sub("[^a-z0-9]", "", name.lower())
    return next((key for key in DATA if letters.startswith(key.replace("-", ""))), None)


def judge_claim(claim: Claim, measured: Cell | None, setting: MlaSetting) -> Verdict:
    """Reproduced: within 2 points or 2 standard deviations, where no reason forbids to compare."""
    return judge(claim.value, measured, reasons(claim, setting), "the plan leaves this row out")


def reasons(claim: Claim, setting: MlaSetting) -> tuple[str, ...]:
    """Why an accuracy measured under this setting says nothing about the published one; empty where it does."""
    found = list(claim.reasons)
    if (ours := published_data(setting.data)) != claim.data:
        found.append(f"other data: {setting.data if ours is None else DATA[ours]}, not {DATA[claim.data]}")
    elif claim.data in SAME_PEOPLE and not setting.row_split:
        found.append("other data split: theirs has the same people in training and test, this one keeps them apart")
    if claim.encoders is None:
        found.append("which encoders it has is not stated in what we have")
    elif (setting.backbone, claim.encoders) != ("resnet", RESNETS):
        found.append(f"other encoders: {setting.backbone}, not {claim.encoders}")
    if setting.frozen:
        found.append("encoders are frozen here, only small maps on them are trained")
    if claim.frames is not None and setting.frames not in (None, claim.frames):
        found.append(f"theirs sees {_counted(claim.frames)} of a clip, this one {_counted(setting.frames)}")
    if claim.epochs is None:
        found.append("how long theirs was trained is not known")
    elif claim.epochs != setting.epochs:
        found.append(f"epochs: {setting.epochs} here, {claim.epochs} there")
    return (*found, *_selection(claim, setting))


def _selection(claim: Claim, setting: MlaSetting) -> tuple[str, ...]:
    if claim.selected_on_test is None:
        return ("how its best epoch was chosen is not known",)
    if claim.selected_on_test == (setting.selected_on == "test"):
        return ()
    theirs, ours = ("test", "validation") if claim.selected_on_test else ("validation", "test")
    return (f"theirs chose its best epoch on {theirs}, this one on {ours}",)


def _counted(frames: int | None) -> str:
    return "one picture" if frames == 1 else f"{frames} pictures"
