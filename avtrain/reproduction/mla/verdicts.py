"""Verdicts on the accuracies of MLA's tables: pure functions of what was published and what was measured."""

import re
from dataclasses import dataclass

from avtrain.config import Selection
from avtrain.report.results import Cell
from avtrain.reproduction.mla.published import DATA, RESNETS, SAME_PEOPLE, TRAINING_SAMPLES, Claim
from avtrain.reproduction.mla.recipe import MLA_RECIPE
from avtrain.reproduction.verdict import Verdict, judge


@dataclass(frozen=True)
class MlaSetting:
    """Circumstances of a row measured here that decide whether it can be compared with published numbers.

    Attributes:
        data: name of the data set.
        row_split: whether a group (a recording, an actor) may be in two splits, as in published work.
        backbone: name of the backbone.
        frozen: whether the encoders are frozen.
        epochs: number of epochs.
        frames: number of frames of a sample; None: not known.
        selected_on: the split that chose the best epoch.
        seeds: number of runs.
        training: number of training samples; None: not known.
        differences: of the configuration from MLA's recipe, in words.
    """

    data: str
    row_split: bool
    backbone: str
    frozen: bool
    epochs: int
    frames: int | None
    selected_on: Selection
    seeds: int
    training: int | None
    differences: tuple[str, ...]


def published_data(name: str) -> str | None:
    """Return the key of DATA that a data set's name stands for, in any spelling (`cremad-av` is CREMA-D), or None."""
    letters = re.sub("[^a-z0-9]", "", name.lower())
    return next((key for key in DATA if letters.startswith(key.replace("-", ""))), None)


def judge_claim(claim: Claim, measured: Cell | None, setting: MlaSetting) -> Verdict:
    """Return "reproduced" if the difference is at most 2 points or 2 standard deviations and nothing forbids comparing.

    Args:
        claim: the published accuracy.
        measured: accuracies, 0 to 1, one a seed; None where there are none.
        setting: circumstances of the measurement.
    """
    return judge(claim.value, measured, reasons(claim, setting), f"no run of {claim.system} has scores of {claim.part}")


def reasons(claim: Claim, setting: MlaSetting) -> tuple[str, ...]:
    """Return why a measured accuracy can neither confirm nor refute the published one; empty where it can.

    Args:
        claim: the published accuracy.
        setting: circumstances of the measurement.
    """
    found = list(claim.reasons)
    if (ours := published_data(setting.data)) != claim.data:
        found.append(f"other data: {setting.data if ours is None else DATA[ours]}, not {DATA[claim.data]}")
    elif claim.data in SAME_PEOPLE and not setting.row_split:
        found.append("other data split: the published one has the same people in training and test, this one does not")
    if claim.encoders is None:
        found.append("its encoders are not stated in our sources")
    elif (setting.backbone, claim.encoders) != ("resnet", RESNETS):
        found.append(f"other encoders: {setting.backbone}, not {claim.encoders}")
    if setting.frozen:
        found.append("encoders are frozen here, and only small maps on their features are trained")
    if claim.frames is not None and setting.frames not in (None, claim.frames):
        found.append(f"frames of a clip: {setting.frames} here, {claim.frames} published")
    if claim.cell is not None:
        found += _recipe(setting)
        found += _training_samples(claim, setting)
    if claim.epochs is None:
        found.append("its number of epochs is not known")
    elif claim.epochs != setting.epochs:
        found.append(f"epochs: {setting.epochs} here, {claim.epochs} published")
    return (*found, *_selection(claim, setting))


def _recipe(setting: MlaSetting) -> list[str]:
    """Return what differs from the recipe of MLA's own tables; the numbers of others have reasons of their own."""
    found = list(setting.differences)
    if setting.seeds != MLA_RECIPE.seeds:
        found.append(f"seeds: {setting.seeds} here, the mean of {MLA_RECIPE.seeds} published")
    return found


def _training_samples(claim: Claim, setting: MlaSetting) -> list[str]:
    published = TRAINING_SAMPLES.get(claim.data)
    if published is None or setting.training in (None, published) or published_data(setting.data) != claim.data:
        return []
    return [f"training samples: {setting.training:,} here, {published:,} published"]


def _selection(claim: Claim, setting: MlaSetting) -> tuple[str, ...]:
    if claim.selected_on_test is None:
        return ("how its best epoch was chosen is not known",)
    if claim.selected_on_test == (setting.selected_on == "test"):
        return ()
    here, published = ("validation", "test") if claim.selected_on_test else ("test", "validation")
    return (f"best epoch: chosen on {here} here, on {published} in the published run",)
