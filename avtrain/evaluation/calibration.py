"""The temperatures of a run, as `result.json` holds them, and how they are applied to predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from avbuild.errors import UsageError, UserError
from avbuild.frozen import Frozen
from avtrain.evaluation.predict import Outputs
from avtrain.evaluation.sample_temperature import Signal, log_factors, signals_of
from avtrain.methods.base import Prediction
from avtrain.runs.folder import Run
from avtrain.runs.sealed import damaged

KEY = "calibration"  # of result.json
KINDS = ("none", "run", "condition")


class ModeCalibration(Frozen):
    """The temperatures of one inference mode.

    Attributes:
        inference: mode; None for a method without inference modes.
        temperature: over all scenarios.
        signals: what a temperature for each sample depends on; empty where it is that of the run.
        notices: what speaks against these numbers, for people.
    """

    inference: str | None
    temperature: float = Field(gt=0, allow_inf_nan=False)
    signals: tuple[Signal, ...] = ()
    notices: tuple[str, ...] = ()


class Calibration(Frozen):
    """The temperatures of a run.

    Attributes:
        split: that they were fitted on; never the test split.
        scenarios: that they were fitted under, those of the training.
        samples: number of samples of the split.
        modes: one for each inference mode.
    """

    split: Literal["validation"] = "validation"
    scenarios: tuple[str, ...]
    samples: int
    modes: tuple[ModeCalibration, ...]


@dataclass(frozen=True)
class Temperature:
    """The temperature to apply to a method's predictions.

    Attributes:
        kind: `run`, or `condition` for one that depends on the sample.
        calibration: of the run.
    """

    kind: str
    calibration: Calibration

    def mode(self, inference: str | None) -> ModeCalibration:
        """Return the temperatures of an inference mode.  Raises UserError where it has none."""
        for mode in self.calibration.modes:
            if mode.inference == inference:
                return mode
        raise UserError(
            f"no temperature for the inference mode {inference}; avtrain calibrate fits one for each mode, and "
            "--calibration none does without"
        )

    def of(self, prediction: Prediction, present: Mapping[str, Tensor], inference: str | None) -> Tensor:
        """Return the temperature of each sample, float64 [B].

        Args:
            prediction: of B samples.
            present: modality -> bool [B].
            inference: mode that it was made in.
        """
        mode = self.mode(inference)
        flat = torch.full_like(prediction.logits[:, 0], mode.temperature, dtype=torch.float64)
        if self.kind == "run" or not mode.signals:
            return flat
        return flat * log_factors(mode.signals, signals_of(prediction, present, mode.temperature)).exp()


def calibrated(outputs: Outputs, temperature: Temperature | None, inference: str | None) -> Outputs:
    """Return predictions with their temperatures; None: as they are.

    Args:
        outputs: of an inference mode.
        temperature: to apply.
        inference: the mode.
    """
    if temperature is None:
        return outputs
    return replace(outputs, temperature=temperature.of(*as_tensors(outputs), inference).numpy())


def as_tensors(outputs: Outputs) -> tuple[Prediction, dict[str, Tensor]]:
    """Return predictions as a method made them, and which modalities are present."""
    prediction = Prediction(
        torch.from_numpy(outputs.logits),
        {m: torch.from_numpy(scores) for m, scores in outputs.per_modality.items()},
        None if outputs.choice is None else torch.from_numpy(outputs.choice),
    )
    return prediction, {m: torch.from_numpy(mask) for m, mask in outputs.present.items()}


def calibration_of(run: Run) -> Calibration | None:
    """Return the temperatures of a finished run; None where none were fitted.

    Raises:
        UserError: `result.json` holds something else in their place.
    """
    found = run.read_json("result.json").get(KEY)
    if found is None:
        return None
    try:
        return Calibration.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (KEY, *first["loc"])))
        advice = f"avtrain calibrate {run} writes it anew"
        raise damaged(str(run.folder / "result.json"), f"{place}: {first['msg']}", advice) from error


def pick_temperature(run: Run, asked: str | None) -> Temperature | None:
    """Return the temperature to apply to a run.

    Args:
        run: finished.
        asked: value of --calibration; None: that of the run, where it has one.

    Returns:
        None for uncalibrated probabilities.

    Raises:
        UsageError: there is no such kind.
        UserError: the run has no temperature, but one was asked for.
    """
    if asked is not None and asked not in KINDS:
        raise UsageError(f"--calibration {asked}: allowed are {', '.join(KINDS)}")
    calibration = None if asked == "none" else calibration_of(run)
    if calibration is None and asked not in (None, "none"):
        raise UserError(f"--calibration {asked}: {run} {no_temperature(run)}")
    return None if calibration is None else Temperature(asked or "run", calibration)


def no_temperature(run: Run) -> str:
    """Return that a run has no temperature, and what to do, to follow its name."""
    if run.config().fit.train_split != "train":
        return "was trained on its validation split too, so no temperature can be fitted"
    return f"has no temperature, so its probabilities are not calibrated; avtrain calibrate {run} fits one"


def describe_temperature(temperature: Temperature | None, inference: str | None) -> dict[str, Any]:
    """Return what was applied, for the files of scores and exports: `kind` and `temperature`.

    Args:
        temperature: that was applied; None: none was.
        inference: mode.
    """
    if temperature is None:
        return {"kind": "none", "temperature": 1.0}
    return {"kind": temperature.kind, "temperature": temperature.mode(inference).temperature}
