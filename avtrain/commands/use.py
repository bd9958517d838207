"""Commands that use a finished run: `predict` and `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avtrain.commands.machine_options import Device

if TYPE_CHECKING:
    from avtrain.inference.predictor import ClassifierOutput

OneRun = Annotated[Path, typer.Argument(help="A finished run, e.g. runs/demo-finetune-tiny/seed0.")]


def predict(
    run: OneRun,
    audio: Annotated[Path | None, typer.Option(help="A sound: WAV, FLAC, OGG, MP3; any rate and channels.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture: JPEG, PNG, WebP and others.")] = None,
    video: Annotated[Path | None, typer.Option(help="A film, for a run on films; its sound is --audio.")] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="For a method that can be told.", show_default="its router, or the first"),
    ] = None,
    top: Annotated[int, typer.Option(help="Classes to print; --json has them all.", min=1)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    device: Device = "cpu",
) -> None:
    """Classify one sample from a sound, a picture or film, or both, and say what the model took its condition to be.

    Examples:

        avtrain predict runs/demo-finetune-tiny --audio bark.wav --image dog.jpg
        avtrain predict runs/demo-prompt-tiny --image dog.jpg --scenario A --json
        avtrain predict runs/cremad-mla-resnet --video clip.flv --audio clip.wav
    """
    import json

    from avtrain.device import Machine, pick_device
    from avtrain.inference.predictor import classify, load_run, read_media

    given = (("audio", audio), ("image", image), ("video", video))
    files = {m: path for m, path in given if path is not None}
    machine, media = Machine(pick_device(device)), read_media(files)
    trained = load_run(run, machine)
    found = classify(trained, media, scenario, machine)
    if as_json:
        said = {
            "run": str(trained.run),
            "files": {m: str(path) for m, path in files.items()},
            "present": found.present,
            "inference": found.inference,
            "scenario": found.scenario,
            "choice": found.choice,
            "probabilities": found.probabilities,
        }
        typer.echo(json.dumps(said))
        return
    _print(found, top)
    typer.echo(f"{trained.run}: {_condition(found, told=scenario is not None)}")


def _print(found: "ClassifierOutput", top: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("class")
    table.add_column("probability", justify="right")
    for name, probability in list(found.probabilities.items())[:top]:
        table.add_row(escape(name), f"{probability:.3f}")
    rest = list(found.probabilities.values())[top:]
    if rest:
        table.add_row(f"{len(rest)} more", f"{sum(rest):.3f}")
    Console().print(table)


def _condition(found: "ClassifierOutput", told: bool) -> str:
    parts = [f"{modality} {'there' if there else 'missing'}" for modality, there in found.present.items()]
    if found.choice is not None:
        taken = ", ".join(f"{name} {part:.2f}" for name, part in found.choice.items())
        parts.append(f"prompts by {found.inference}: {taken}")
    if found.scenario is not None:
        parts.append(f"told scenario {found.scenario}{'' if told else ' (the first; --scenario chooses)'}")
    return "; ".join(parts)


def export(
    run: OneRun,
    out: Annotated[Path | None, typer.Option(help="The file.", show_default="RUN/model.pt2")] = None,
    inference: Annotated[
        str | None,
        typer.Option(help="How prompts are chosen, e.g. oracle or router.", show_default="router where there"),
    ] = None,
) -> None:
    """Write the model as a torch.export program for any batch size, with classes and front end described inside.

    Inputs by name: what the front end makes of each modality, which of them are present, and the scenario's number
    where it must be told. Output: logits. A sample needs one modality at least.

    Examples:

        avtrain export runs/demo-finetune-tiny
        avtrain export runs/demo-finetune-tiny/seed0 --out model.pt2
    """
    import torch

    from avtrain.device import Machine
    from avtrain.inference.export import export as write
    from avtrain.inference.predictor import load_run

    trained = load_run(run, Machine(torch.device("cpu")))
    path = out or trained.run.folder / "model.pt2"
    write(trained, path, inference)
    typer.echo(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB); torch.export.load reads it")
