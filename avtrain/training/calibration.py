"""The temperatures of a run: fitted when its training ends, or later for a run that has none."""

import sys
from collections.abc import Callable, Sequence

from avbuild.errors import UserError
from avbuild.progress import progress_bar
from avbuild.scenarios.recorded_plugins import require_plugins
from avtrain.config import FitConfig
from avtrain.data.batch_source import BatchSource
from avtrain.data.dataset import MultimodalData
from avtrain.data.regimes import train_scenarios
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.distributed.row_sharing import is_rank0
from avtrain.evaluation.calibrate import calibrate
from avtrain.evaluation.calibration import KEY, Calibration, no_temperature
from avtrain.evaluation.conditions import EvalRequest
from avtrain.evaluation.evaluate import inference_modes, load_method
from avtrain.evaluation.location import open_run
from avtrain.features.cache import cached_source
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_finished
from avtrain.training.setup import load_best


def calibrate_trained(
    run: Run,
    method: Method,
    data: BatchSource,
    scenarios: Sequence[str],
    settings: FitConfig,
    machine: Machine,
) -> Calibration | None:
    """Fit the temperatures at the end of a training; the method has the weights of its best epoch afterwards.

    Args:
        run: with these weights.
        method: after the last epoch.
        data: the split that selected.
        scenarios: that the method was trained under.
        settings: of the run.
        machine: where it is computed.

    Returns:
        None where the test split selected: it is never used for a temperature, and the validation split was not read.
    """
    if settings.select_on != "validation":
        return None
    load_best(run, method)
    modes = len(inference_modes(method, scenario_known=True))
    with progress_bar("calibrating", modes * len(scenarios) * len(data)) as advance:
        found = calibrate(method, data, scenarios, settings.batch_size, machine, settings.precision, advance)
    if is_rank0():
        _print_notices(run, found)
    return found


def calibrate_run(
    run: Run,
    data: str | None,
    machine: Machine,
    precision: str,
    advance: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Fit the temperatures of a finished run on its validation split, and write them into its `result.json`.

    Args:
        run: finished.
        data: place of its data set, where it was moved.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        advance: as for `calibrate`.

    Raises:
        UserError: the run is not finished, its data have changed, or it was trained on its validation split.
    """
    require_finished(run)
    if run.config().fit.train_split != "train":
        raise UserError(f"{run}: {no_temperature(run)}")
    config, _, machine = open_run(run, EvalRequest(data=data), machine)
    located = config.manifest
    scenarios = train_scenarios(config.fit, located)
    require_plugins(located.scenarios[name] for name in scenarios)
    rows = read_rows(located, "validation", machine.row_cache)
    method = load_method(run, config, len(rows.classes), machine)
    source = cached_source(
        method, MultimodalData(rows, located, method.backbone.frontend, scenarios), machine, precision
    )
    found = calibrate(method, source, scenarios, config.fit.batch_size, machine, precision, advance)
    _print_notices(run, found)
    run.write_json("result.json", run.read_json("result.json") | {KEY: found.model_dump(mode="json")})
    return found


def _print_notices(run: Run, found: Calibration) -> None:
    for mode in found.modes:
        for notice in mode.notices:
            name = f" of {mode.inference}" if mode.inference else ""
            print(f"{run}: temperature{name}: {notice} (validation split)", file=sys.stderr)
