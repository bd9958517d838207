"""`avtrain predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avtrain.commands.options import Device, OneRun, expand

if TYPE_CHECKING:
    from avtrain.inference.predictor import ClassifierOutput


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
    top: Annotated[int, typer.Option(help="Number of classes to print; --json prints all.", min=1)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Adapt to the samples of folders, a stream, without labels: none, align, tent, read, sumi or tsa."
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
        avtrain predict runs/cremad-mla-resnet --video clip.flv --audio clip.wav
        avtrain predict runs/posts-finetune-dual --text-string "What a day!" --image dog.jpg
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
        if text_string is not None:
            from avbuild.errors import UsageError

            raise UsageError("--text-string with --adapt: a stream is read from folders; give --text FOLDER")
        folders = {modality: Path(path) for modality, path in files.items()}
        _predict_stream(run, folders, adapt, adapt_batch or 64, scenario, device, as_json)
        return
    with progress_bar("predicting", 3) as advance:  # the first import of PyTorch takes most of the time
        from avtrain.device import Machine, pick_device
        from avtrain.inference.predictor import classify, load_run, read_media
        from avtrain.report.terminal import without_controls

        machine, media = Machine(pick_device(device)), read_media(files)
        advance()
        trained = load_run(run, machine)
        advance()
        found = classify(trained, media, scenario, machine)
        advance()
    if as_json:
        record = {
            "run": str(trained.run),
            "files": {modality: str(path) for modality, path in files.items()},
            "present": found.present,
            "inference": found.inference,
            "scenario": found.scenario,
            "choice": found.choice,
            "probabilities": found.probabilities,
        }
        typer.echo(json.dumps(record))
        return
    _print_probabilities(found, top)
    condition = _describe_condition(found, scenario_given=scenario is not None)
    typer.echo(without_controls(f"{trained.run}: {condition}"))


def _predict_stream(
    run: Path, folders: dict[str, Path], adapt: str | None, batch: int, scenario: str | None, device: str, as_json: bool
) -> None:
    """Classify the files of folders with an adapter, and print a line for each sample."""
    import json

    from avbuild.errors import UsageError
    from avbuild.progress import progress_bar
    from avtrain.device import Machine, pick_device
    from avtrain.inference.predictor import load_run
    from avtrain.inference.stream import classify_stream, find_samples
    from avtrain.report.terminal import without_controls

    if adapt is None:
        raise UsageError(f"--adapt-batch {batch}: is for --adapt alone; name an adapter")
    if scenario is not None:
        raise UsageError(f"--scenario {scenario}: the condition of a stream is not told; leave it out with --adapt")
    if not folders:
        raise UsageError("nothing to predict from: give a folder to --audio, --image, --video or --text, or to several")
    machine, samples = Machine(pick_device(device)), find_samples(folders)
    trained = load_run(run, machine)
    with progress_bar("predicting", len(samples)) as advance:
        lines = []
        for (name, files), found in classify_stream(trained, samples, adapt, batch, machine):
            record = {
                "sample": name,
                "files": {modality: str(path) for modality, path in files.items()},
                "present": found.present,
                "label": found.label,
                "probabilities": found.probabilities,
            }
            row = f"{name}  {found.label}  {found.probabilities[found.label]:.3f}"
            lines.append(json.dumps(record) if as_json else without_controls(row))
            advance()
    typer.echo("\n".join(lines))
    if not as_json:
        typer.echo(without_controls(f"{trained.run}: {len(lines)} samples in order of name, adapted by {adapt}"))


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
