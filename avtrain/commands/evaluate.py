"""`avtrain eval`."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.errors import UsageError, UserError, raise_together
from avtrain.commands.options import (
    Cache,
    DataPlace,
    Device,
    LoaderWorkers,
    NoCache,
    Precision,
    calibration_option,
    expand,
)

if TYPE_CHECKING:
    from avtrain.device import Machine
    from avtrain.evaluation.adaptation.evaluate import AdaptRequest
    from avtrain.evaluation.conditions import EvalRequest
    from avtrain.runs.folder import Run

# headings over the options in --help
CONDITIONS, OWN_MODEL, ADAPTATION = "Conditions", "A model of your own", "Test-time adaptation"


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
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Adapt to the stream without labels, by: none, discriminant, align, tent, read, sumi, tsa or brimpr.",
            rich_help_panel=ADAPTATION,
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            help="With --adapt: one condition after another, each from the start; continual: without starting anew; "
            "mixed: all conditions interleaved.",
            show_default="one",
            rich_help_panel=ADAPTATION,
        ),
    ] = None,
    adapt_batch: Annotated[
        int | None,
        typer.Option(help="With --adapt: samples per batch.", show_default="64", min=1, rich_help_panel=ADAPTATION),
    ] = None,
    calibration: Annotated[str | None, calibration_option(CONDITIONS)] = None,
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
        avtrain eval runs/ --adapt align --stream mixed
        avtrain eval --model my_models:net manifests/demo.yaml
        avtrain eval copied/seed0 --data /mnt/data/urbansound8k-av
    """
    _refuse_without("--adapt", adapt, {"--stream": stream, "--adapt-batch": adapt_batch}, "name an adapter")
    chosen, patterns = _parse_severities(severities), tuple(pattern.strip() for pattern in scenarios.split(","))
    if model is not None:
        _refuse_of_runs(manifest, data, adapt, calibration, precision, cache)
        _evaluate_model(runs, model, name, out or Path("runs"), patterns, chosen, batch_size or 32, device, workers)
        return
    of_model = {"--name": name, "--out": out, "--batch-size": batch_size}
    _refuse_without("--model", None, of_model, "scores of a run go into its own folder")
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.evaluation.adaptation.evaluate import BATCH, check_request
    from avtrain.evaluation.conditions import EvalRequest
    from avtrain.features.inventory import tidy
    from avtrain.report.terminal import without_controls
    from avtrain.runs.layout import features_beside
    from avtrain.runs.outside import outside_config
    from avtrain.runs.search import find_runs

    wanted = None if adapt is None else check_request(adapt, stream or "one", adapt_batch or BATCH)
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
    if outside:
        typer.echo("\n".join(without_controls(f"{run}: an outside model, not scored again") for run in outside))
    number = pick_precision(precision, machine.device)
    _evaluate_runs(found, request, wanted, machine, number, calibration, _folder_to_report(runs))


def _evaluate_runs(
    runs: "Sequence[Run]",
    request: "EvalRequest",
    adapt: "AdaptRequest | None",
    machine: "Machine",
    precision: str,
    calibration: str | None,
    folder: Path,
) -> None:
    """Score runs, print a line for each, and raise the errors of all of them at the end."""
    from avbuild.progress import progress_bar
    from avtrain.evaluation.adaptation.evaluate import evaluate_adapted
    from avtrain.evaluation.calibration import no_temperature
    from avtrain.evaluation.evaluate import count_conditions
    from avtrain.evaluation.evaluate import evaluate as evaluate_run
    from avtrain.evaluation.fold_means import fold_means
    from avtrain.evaluation.missing_lines import missing_lines
    from avtrain.report.terminal import without_controls

    scored: list[Mapping[str, object]] = []
    lines, errors = [], []
    conditions = sum(count_conditions(run, request) for run in runs)
    with nullcontext() if adapt else progress_bar("evaluating", conditions) as advance:  # an adapter has its own bar
        for run in runs:
            run.remove_abandoned()
            try:
                if adapt:
                    results = evaluate_adapted(run, request, adapt, machine, precision, calibration)
                else:
                    results = evaluate_run(run, request, machine, precision, advance or (lambda: None), calibration)
                scored += results
                lines.append(without_controls(f"{run}: {_summary(results)}"))
                if calibration is None and any(e["calibration"]["kind"] == "none" for e in results):
                    typer.echo(without_controls(f"{run} {no_temperature(run)}"), err=True)
            except UserError as error:  # the other runs are scored all the same
                errors.append(error)
    if lines:
        typer.echo("\n".join([*lines, *map(without_controls, [*fold_means(scored), *missing_lines(scored)])]))
        typer.echo(without_controls(f"next: avtrain report {folder}"))
    raise_together(errors)


def _refuse_of_runs(
    manifest: str | None,
    data: str | None,
    adapt: str | None,
    calibration: str | None,
    precision: str,
    cache: Path | None,
) -> None:
    """Refuse options of runs where --model is given."""
    if manifest is not None:
        raise UsageError(f"--manifest {manifest}: with --model the manifest is the argument; leave --manifest out")
    if data is not None:
        raise UsageError(f"--data {data}: is for runs; with --model the manifest says where its data set is")
    if adapt is not None:
        raise UsageError(f"--adapt {adapt}: is for runs; avtrain knows nothing of what your own model trains on")
    if calibration is not None:
        raise UsageError(f"--calibration {calibration}: is for runs; your own model has no temperature")
    if precision not in ("fp32", "auto") or cache is not None:
        raise UsageError("--precision and --cache are for runs; your own model computes as it is written")


def _refuse_without(needed: str, given: object, options: Mapping[str, object], advice: str) -> None:
    """Refuse options that need another one which is not given."""
    for option, value in options.items():
        if value is not None and given is None:
            raise UsageError(f"{option} {value}: is for {needed} alone; {advice}")


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
