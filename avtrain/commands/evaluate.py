"""`avtrain eval`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from avbuild.errors import UsageError, UserError
from avtrain.commands.options import Cache, DataPlace, Device, LoaderWorkers, NoCache, Precision, expand

CONDITIONS, OWN_MODEL = "Conditions", "A model of your own"  # headings over the options in --help


def evaluate(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs, or folders of runs; with --model a manifest.", callback=expand)
    ],
    scenarios: Annotated[
        str, typer.Option(help="Names or patterns of scenarios, e.g. 'C,D*'.", rich_help_panel=CONDITIONS)
    ] = "*",
    severities: Annotated[
        str,
        typer.Option(
            help="Score each corrupted scenario at these severities too, e.g. 1,2,3,4,5.", rich_help_panel=CONDITIONS
        ),
    ] = "",
    manifest: Annotated[
        str | None,
        typer.Option(
            help="Another manifest on the same data, with corruptions not seen in training.", rich_help_panel=CONDITIONS
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Your own model, as MODULE:NAME: a module of PyTorch, or a function of a batch.",
            rich_help_panel=OWN_MODEL,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="With --model: its name in tables.", show_default="NAME of --model", rich_help_panel=OWN_MODEL
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --model: folder of all runs.", show_default="runs", callback=expand, rich_help_panel=OWN_MODEL
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="With --model: samples per batch.", show_default="32", min=1, rich_help_panel=OWN_MODEL),
    ] = None,
    data: DataPlace = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Score runs on the test split under every scenario.

    Each run gets one JSON file per scenario and way of inference. With --model, a model of your own is scored on the
    data of a manifest; docs/python.md says what it is called with.

    Examples:

        avtrain eval runs/demo-finetune-tiny
        avtrain eval runs/ --scenarios 'D*'
        avtrain eval runs/ --severities 1,2,3,4,5
        avtrain eval runs/ --manifest manifests/weather.yaml
        avtrain eval --model my_models:net manifests/demo.yaml
        avtrain eval copied/seed0 --data /mnt/data/urbansound8k-av
    """
    chosen, patterns = _parse_severities(severities), tuple(pattern.strip() for pattern in scenarios.split(","))
    if model is not None:
        if manifest is not None:
            raise UsageError(f"--manifest {manifest}: with --model the manifest is the argument; leave --manifest out")
        if data is not None:
            raise UsageError(f"--data {data}: is for runs; with --model the manifest says where its data set is")
        if precision not in ("fp32", "auto") or cache is not None:
            raise UsageError("--precision and --cache are for runs; your own model computes as it is written")
        _evaluate_model(runs, model, name, out or Path("runs"), patterns, chosen, batch_size or 32, device, workers)
        return
    for option, value in (("--name", name), ("--out", out), ("--batch-size", batch_size)):
        if value is not None:
            raise UsageError(f"{option} {value}: is for --model alone; scores of a run go into its own folder")
    from avbuild.progress import progress_bar
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.evaluation.conditions import EvalRequest
    from avtrain.evaluation.evaluate import count_conditions
    from avtrain.evaluation.evaluate import evaluate as evaluate_run
    from avtrain.evaluation.fold_means import fold_means
    from avtrain.evaluation.missing_lines import missing_lines
    from avtrain.features.inventory import tidy
    from avtrain.report.terminal import without_controls
    from avtrain.runs.layout import features_beside
    from avtrain.runs.outside import outside_config
    from avtrain.runs.search import find_runs

    request = EvalRequest(patterns, chosen, load_manifest(manifest) if manifest else None, data)
    everything = find_runs(runs)
    outside = [run for run in everything if outside_config(run) is not None]
    found = [run for run in everything if run not in outside]
    if not found:
        places = ", ".join(map(str, runs))
        raise UserError(f"{places}: holds scores of outside models alone; avtrain eval --model scores one again")
    features = None if no_cache else cache or features_beside(found[0].folder)  # where fit keeps those of other splits
    machine = Machine(pick_device(device), workers, features)
    tidy(features)
    scored: list[Mapping[str, object]] = []
    lines, errors = [without_controls(f"{run}: an outside model, not scored again") for run in outside], []
    with progress_bar("evaluating", sum(count_conditions(run, request) for run in found)) as advance:
        for run in found:
            run.remove_abandoned()
            try:
                results = evaluate_run(run, request, machine, pick_precision(precision, machine.device), advance)
                scored += results
                lines.append(without_controls(f"{run}: {_summary(results)}"))
            except UserError as error:  # the other runs are scored all the same
                errors.append(error)
    if lines:
        typer.echo("\n".join([*lines, *map(without_controls, [*fold_means(scored), *missing_lines(scored)])]))
        typer.echo(without_controls(f"next: avtrain report {_folder_to_report(runs)}"))
    if errors:
        raise _together(errors)


def _evaluate_model(
    manifests: Sequence[Path],
    model: str,
    name: str | None,
    out: Path,
    scenarios: tuple[str, ...],
    severities: tuple[int, ...],
    batch_size: int,
    device: str,
    workers: int,
) -> None:
    """Score the model that --model names, and print its accuracies."""
    if len(manifests) != 1:
        raise UsageError(f"--model {model}: give one manifest, not {len(manifests)}")
    from torch import nn

    from avtrain.device import pick_device
    from avtrain.evaluation.import_model import import_model
    from avtrain.evaluation.missing_lines import missing_lines
    from avtrain.evaluation.outside_model import evaluate as evaluate_model
    from avtrain.report.terminal import without_controls

    where, found = pick_device(device), import_model(model)
    if isinstance(found, nn.Module):
        found = found.to(where)
    results = evaluate_model(
        found,
        manifests[0],
        name=model.rpartition(":")[2] if name is None else name,
        scenarios=scenarios,
        severities=severities,
        batch_size=batch_size,
        workers=workers,
        out=out,
    )
    scored = list(results.scenarios.values())
    typer.echo(without_controls(f"{results.folder}: {_summary(scored)}"))
    for line in missing_lines(scored):
        typer.echo(without_controls(line))
    typer.echo(without_controls(f"next: avtrain report {out}"))


def _together(errors: Sequence[UserError]) -> UserError:
    """Return one error for those of several runs: a usage error where all are."""
    if len(errors) == 1:
        return errors[0]
    message = "\n".join(dict.fromkeys(map(str, errors)))
    return UsageError(message) if all(isinstance(error, UsageError) for error in errors) else UserError(message)


def _parse_severities(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if wrong := [part for part in parts if part not in ("1", "2", "3", "4", "5")]:
        raise UsageError(f"--severities {','.join(wrong)}: allowed are 1 to 5, such as 1,3,5")
    return tuple(sorted({int(part) for part in parts}))


def _summary(results: Sequence[Mapping[str, object]]) -> str:
    """Return the accuracies of a run in one line."""
    if not results:
        return "not scored: its method must be given the scenario, and was trained on none of that manifest's"
    modes = [f" ({result['inference']})" if result["inference"] else "" for result in results]
    scores = [f"{r['scenario']}{mode} {r['accuracy']:.3f}" for r, mode in zip(results, modes, strict=True)]
    marks = ["  (leaky split)"] if results[0]["leaky"] else []
    if results[0]["selected_on"] == "test":
        marks.append("  (selected on test)")
    return "  ".join(scores) + "".join(marks)


def _folder_to_report(places: Sequence[Path]) -> Path:
    """Return the folder of all runs: the one place given where it is that, else the parent of the first."""
    first = places[0]
    is_run = (first / "config.yaml").exists()
    holds_named_runs = any(first.glob("*/seed*/config.yaml")) and not any(first.glob("fold*/seed*/config.yaml"))
    holds_named_runs = holds_named_runs or any(first.glob("*/fold*/seed*/config.yaml"))
    return first if len(places) == 1 and not is_run and holds_named_runs else first.parent
