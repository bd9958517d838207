"""A finished run with its model in memory, and how it infers."""

from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UsageError, UserError, nearest
from avtrain.config import RunConfig
from avtrain.device import Machine
from avtrain.evaluation.calibration import Temperature, pick_temperature
from avtrain.evaluation.evaluate import ORACLE, load_method
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_finished
from avtrain.runs.search import find_run

ROUTER = "router"  # the inference mode that estimates the scenario


@dataclass(frozen=True)
class LoadedRun:
    """A finished run with its model in memory.

    Attributes:
        run: the folder.
        config: of the run.
        classes: names, in the order of the logits.
        method: the model, in eval mode.
        temperature: that its probabilities are calibrated by; None: they are not.
    """

    run: Run
    config: RunConfig
    classes: tuple[str, ...]
    method: Method
    temperature: Temperature | None = None

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios, in the order of the prompt sets."""
        return tuple(self.config.manifest.scenarios)


def load_run(place: Path, machine: Machine, calibration: str | None = None) -> LoadedRun:
    """Load the one run at or below a folder.

    Args:
        place: the folder.
        machine: its device gets the model.
        calibration: as for `pick_temperature`.

    Raises:
        UsageError: there are several runs.
        UserError: there is no run, or it is not finished.
    """
    run = find_run(place)
    config = run.config()
    require_finished(run)
    classes = run.read_json("result.json").get("classes")
    if classes is None:
        raise UserError(f"{run}: its result.json names no classes, as an older avtrain wrote it; fit it again")
    temperature = pick_temperature(run, calibration)
    method = load_method(run, config, len(classes), machine).eval()
    return LoadedRun(run, config, tuple(classes), method, temperature)


def pick_inference(method: Method, asked: str | None = None) -> str | None:
    """Choose the inference mode.

    Args:
        method: of the run.
        asked: name of a mode; None: the router where the method has one, else the mode of training.

    Raises:
        UsageError: the method does not have the mode asked for.
    """
    if asked is None:
        return ROUTER if ROUTER in method.inference_modes else method.inference
    if asked not in method.inference_modes:
        known = ", ".join(method.inference_modes) or "none"
        raise UsageError(f"{method.name} has no inference mode {asked}; its modes: {known}")
    return asked


def pick_scenario(loaded: LoadedRun, asked: str | None) -> str:
    """Choose the scenario for the mode `oracle`.

    Args:
        loaded: the run.
        asked: name of a scenario; None: the manifest's first.

    Raises:
        UsageError: the method has no such mode, or the manifest no such scenario.
    """
    if asked is None:
        return loaded.scenarios[0]
    if ORACLE not in loaded.method.inference_modes:
        raise UsageError(f"--scenario {asked}: {loaded.method.name} does not use the scenario; leave the option out")
    if asked not in loaded.scenarios:
        known = ", ".join(loaded.scenarios)
        raise UsageError(f'no scenario "{asked}" in {loaded.run}{nearest(asked, loaded.scenarios)}; it has {known}')
    return asked


def start_inference(loaded: LoadedRun, scenario: str | None) -> str:
    """Set the inference mode of a run, and return the scenario to put into its batches.

    Args:
        loaded: the run.
        scenario: true scenario of the samples, for the mode `oracle`.  None: the router is used where the method has
            one, else the mode of training, `oracle` with the manifest's first scenario.

    Raises:
        UsageError: the method is not given scenarios, or the manifest has no such scenario.
    """
    used = pick_scenario(loaded, scenario)
    loaded.method.inference = pick_inference(loaded.method, None if scenario is None else ORACLE)
    return used
