"""`avtrain predict --adapt`: the files of folders are a stream that an adapter follows."""

import json
from collections.abc import Mapping
from pathlib import Path

import typer

from avbuild.errors import UsageError


def predict_stream(
    run: Path,
    folders: Mapping[str, Path],
    adapt: str | None,
    batch: int,
    for_one_sample: Mapping[str, object],
    calibration: str | None,
    abstain_below: float | None,
    device: str,
    *,
    as_json: bool,
) -> None:
    """Classify the files of folders with an adapter, and print a line for each sample.

    Args:
        run: to classify with.
        folders: by modality.
        adapt: name of the adapter; None is an error.
        batch: samples classified and adapted to together.
        for_one_sample: options that a stream cannot have, by name; None: not given.
        calibration: as for `load_run`.
        abstain_below: probability below which a sample gets no label, 0 to 1.
        device: name.
        as_json: whether a line is JSON.

    Raises:
        UsageError: an option does not fit.
    """
    _check(adapt, batch, folders, for_one_sample)
    assert adapt is not None
    from avbuild.progress import progress_bar
    from avtrain.device import Machine, pick_device
    from avtrain.inference.classifier_output import check_abstain_below
    from avtrain.inference.loaded_run import load_run
    from avtrain.inference.stream import classify_stream, find_samples
    from avtrain.report.terminal import without_controls

    below = 0.0 if abstain_below is None else check_abstain_below(abstain_below, "--abstain-below")
    machine, samples = Machine(pick_device(device)), find_samples(folders)
    trained = load_run(run, machine, calibration)
    lines, abstained = [], 0
    with progress_bar("predicting", len(samples)) as advance:
        for (name, files), found in classify_stream(trained, samples, adapt, batch, machine, below):
            abstained += found.abstained
            record = {
                "sample": name,
                "files": {modality: str(path) for modality, path in files.items()},
                "present": found.present,
                "label": found.label,
                "predicted": found.predicted,
                "probability": found.probability,
                "abstained": found.abstained,
                "probabilities": found.probabilities,
            }
            label = f"no label ({found.predicted})" if found.abstained else found.label
            row = f"{name}  {label}  {found.probability:.3f}"
            lines.append(json.dumps(record) if as_json else without_controls(row))
            advance()
    typer.echo("\n".join(lines))
    if not as_json:
        about = f"{abstained} of them abstained, " if abstain_below is not None else ""
        typer.echo(without_controls(f"{trained.run}: {len(lines)} samples in order of name, {about}adapted by {adapt}"))


def _check(adapt: str | None, batch: int, folders: Mapping[str, Path], for_one_sample: Mapping[str, object]) -> None:
    """Refuse options that do not fit a stream."""
    if adapt is None:
        raise UsageError(f"--adapt-batch {batch}: is for --adapt alone; name an adapter")
    for option, value in for_one_sample.items():
        if value is not None:
            raise UsageError(f"{option} {value}: is for one sample; leave it out with --adapt, which reads folders")
    if not folders:
        raise UsageError("nothing to predict from: give a folder to --audio, --image, --video or --text, or to several")
