"""`avtrain predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avtrain.commands.options import Calibration, Device, OneRun, expand

if TYPE_CHECKING:
    from avtrain.inference.classifier_output import ClassifierOutput


def predict(
    run: OneRun,
    audio: Annotated[
        Path | None,
        typer.Option(
            help="Audio file: WAV, FLAC, OGG or MP3, of any rate and any number of channels.", callback=expand
        ),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Image file: JPEG, PNG, WebP and others.", callback=expand)] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Video file, for a run on video; its audio track is a file for --audio.", callback=expand),
    ] = None,
    text: Annotated[Path | None, typer.Option(help="Text file, UTF-8, for a run on text.", callback=expand)] = None,
    text_string: Annotated[
        str | None, typer.Option("--text-string", help="The text itself, in place of --text.")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="The scenario, for a method that can be given it.", show_default="its router, or the first scenario"
        ),
    ] = None,
    calibration: Calibration = None,
    abstain_below: Annotated[
        float | None,
        typer.Option(metavar="P", help="Give no label if the most likely class has a probability below this, 0 to 1."),
    ] = None,
    top: Annotated[int, typer.Option(help="Number of classes to print; --json prints all.", min=1)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Adapt to the samples of folders, a stream, without labels: none, discriminant, align, tent, read, "
            "sumi, tsa or brimpr."
        ),
    ] = None,
    adapt_batch: Annotated[
        int | None,
        typer.Option(help="With --adapt: samples classified and adapted to together.", show_default="64", min=1),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Classify one sample from audio, an image, a video or a text, or several of them.

    A modality without a file is missing. For a method with prompts, the scenario that it assumed is printed too.
    With --adapt, the options name folders, whose files are a stream in order of name; files of one name are a sample.

    Examples:

        avtrain predict runs/demo-finetune-tiny --audio bark.wav --image dog.jpg
        avtrain predict runs/demo-prompt-tiny --image dog.jpg --scenario A --json
        avtrain predict runs/demo-finetune-tiny --audio bark.wav --abstain-below 0.8
        avtrain predict runs/cremad-mla-resnet --video clip.flv --audio clip.wav
        avtrain predict runs/posts-finetune-dual --text post.txt --image dog.jpg
        avtrain predict runs/demo-finetune-tiny --audio clips/ --adapt align
    """
    import json

    from avbuild.progress import progress_bar

    if text is not None and text_string is not None:
        from avbuild.errors import UsageError

        raise UsageError("--text and --text-string: both name the text; give one of them")
    texts = text if text_string is None else text_string
    given: tuple[tuple[str, Path | str | None], ...]
    given = (("audio", audio), ("image", image), ("video", video), ("text", texts))
    files = {modality: path for modality, path in given if path is not None}
    if adapt is not None or adapt_batch is not None:
        from avtrain.commands.predict_stream import predict_stream

        request = {"--scenario": scenario, "--text-string": text_string}
        folders = {modality: Path(path) for modality, path in files.items()}
        predict_stream(
            run, folders, adapt, adapt_batch or 64, request, calibration, abstain_below, device, as_json=as_json
        )
        return
    with progress_bar("predicting", 3) as advance:  # the first import of PyTorch takes most of the time
        from avtrain.device import Machine, pick_device
        from avtrain.evaluation.calibration import no_temperature
        from avtrain.inference.classifier_output import check_abstain_below
        from avtrain.inference.loaded_run import load_run
        from avtrain.inference.media import read_media
        from avtrain.inference.predictor import classify
        from avtrain.report.terminal import without_controls

        below = 0.0 if abstain_below is None else check_abstain_below(abstain_below, "--abstain-below")
        machine, media = Machine(pick_device(device)), read_media(files)
        advance()
        trained = load_run(run, machine, calibration)
        advance()
        found = classify(trained, media, scenario, machine, below)
        advance()
    if trained.temperature is None and calibration is None:
        typer.echo(without_controls(f"{trained.run} {no_temperature(trained.run)}"), err=True)
    if as_json:
        record = {
            "run": str(trained.run),
            "files": {modality: str(path) for modality, path in files.items()},
            "present": found.present,
            "inference": found.inference,
            "scenario": found.scenario,
            "choice": found.choice,
            "label": found.label,
            "predicted": found.predicted,
            "probability": found.probability,
            "abstained": found.abstained,
            "temperature": found.temperature,
            "probabilities": found.probabilities,
        }
        typer.echo(json.dumps(record))
        return
    _print_probabilities(found, top)
    condition = _describe_condition(found, scenario_given=scenario is not None)
    typer.echo(without_controls(f"{trained.run}: {condition}"))
    if abstain_below is not None:
        typer.echo(without_controls(_describe_abstention(found)))


def _print_probabilities(found: "ClassifierOutput", top: int) -> None:
    """Print the `top` most likely classes, and the sum of the others."""
    from rich.console import Console
    from rich.table import Table

    from avtrain.report.terminal import plain

    table = Table("class")
    table.add_column("probability", justify="right")
    for name, probability in list(found.probabilities.items())[:top]:
        table.add_row(plain(name), f"{probability:.3f}")
    rest = list(found.probabilities.values())[top:]
    if rest:
        table.add_row(f"{len(rest)} more", f"{sum(rest):.3f}")
    Console().print(table)


def _describe_abstention(found: "ClassifierOutput") -> str:
    """Return whether the model abstained, and by what."""
    if found.abstained:
        said = f"no label: {found.predicted} has a probability of {found.probability:.3f}"
        return f"1 of 1 abstained, {said}, below {found.abstain_below:g}"
    return f"0 of 1 abstained, label: {found.label}"


def _describe_condition(found: "ClassifierOutput", scenario_given: bool) -> str:
    """Return which modalities are present, and which scenario the model was given or inferred."""
    parts = [f"{modality} {'present' if present else 'missing'}" for modality, present in found.present.items()]
    if found.choice is not None:
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in found.choice.items())
        parts.append(f"prompts by {found.inference}: {weights}")
    if found.scenario is not None:
        default = "" if scenario_given else " (the first; --scenario chooses another)"
        parts.append(f"given scenario {found.scenario}{default}")
    return "; ".join(parts)
