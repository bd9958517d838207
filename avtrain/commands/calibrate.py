"""`avtrain calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from avbuild.errors import UserError, raise_together
from avtrain.commands.options import Cache, DataPlace, Device, LoaderWorkers, NoCache, Precision, expand


def calibrate(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs, or folders of runs.", callback=expand)],
    data: DataPlace = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Fit the temperatures that make the probabilities of runs mean what they say.

    A training ends with this, so it is for runs of earlier versions. It reads the validation split, never the test
    split, and writes the temperatures into result.json of each run. No prediction changes, only its probability.

    Examples:

        avtrain calibrate runs/demo-finetune-tiny
        avtrain calibrate runs/ --data /mnt/data/urbansound8k-av
    """
    from avbuild.progress import progress_bar
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.report.terminal import without_controls
    from avtrain.runs.layout import features_beside
    from avtrain.runs.outside import outside_config
    from avtrain.runs.search import find_runs
    from avtrain.training.calibration import calibrate_run

    found = [run for run in find_runs(runs) if outside_config(run) is None]
    if not found:
        places = ", ".join(map(str, runs))
        raise UserError(f"{places}: holds scores of outside models alone, which avtrain cannot calibrate")
    features = None if no_cache else cache or features_beside(found[0].folder)
    machine, errors = Machine(pick_device(device), workers, features), []
    with progress_bar("calibrating", len(found)) as advance:
        for run in found:
            try:
                fitted = calibrate_run(run, data, machine, pick_precision(precision, machine.device))
                values = [f"{mode.inference or 'temperature'} {mode.temperature:.3f}" for mode in fitted.modes]
                typer.echo(without_controls(f"{run}: {', '.join(values)} ({fitted.samples:,} validation samples)"))
            except UserError as error:  # the other runs are calibrated all the same
                errors.append(error)
            advance()
    if len(errors) < len(found):
        typer.echo(without_controls(f"next: avtrain eval {runs[0]}"))
    raise_together(errors)
