"""`avtrain eval`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from avbuild.errors import UsageError, UserError
from avtrain.commands.options import Cache, DataPlace, Device, LoaderWorkers, NoCache, Precision, expand


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs.", callback=expand)],
    scenarios: Annotated[str, typer.Option(help="Names or patterns of scenarios, e.g. 'C,D*'.")] = "*",
    severities: Annotated[
        str, typer.Option(help="Score each corrupted scenario at these severities too, e.g. 1,2,3,4,5.")
    ] = "",
    manifest: Annotated[
        str | None, typer.Option(help="Another manifest on the same data, with corruptions not seen in training.")
    ] = None,
    data: DataPlace = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Score runs on the test split under every scenario.

    Each run gets one JSON file per scenario and way of inference.

    Examples:

        avtrain eval runs/demo-finetune-tiny
        avtrain eval runs/ --scenarios 'D*'
        avtrain eval runs/ --severities 1,2,3,4,5
        avtrain eval runs/ --manifest manifests/weather.yaml
        avtrain eval copied/seed0 --data /mnt/data/urbansound8k-av
    """
    from avbuild.progress import progress_bar
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.evaluation.conditions import EvalRequest
    from avtrain.evaluation.evaluate import evaluate as evaluate_run
    from avtrain.evaluation.fold_means import fold_means
    from avtrain.features.inventory import tidy
    from avtrain.report.terminal import without_controls
    from avtrain.runs.layout import features_beside
    from avtrain.runs.search import find_runs

    request = EvalRequest(
        tuple(pattern.strip() for pattern in scenarios.split(",")),
        _parse_severities(severities),
        load_manifest(manifest) if manifest else None,
        data,
    )
    found = find_runs(runs)
    features = None if no_cache else cache or features_beside(found[0].folder)  # where fit keeps those of other splits
    machine = Machine(pick_device(device), workers, features)
    tidy(features)
    lines, errors, scored = [], [], []
    with progress_bar("evaluating", len(found)) as advance:
        for run in found:
            run.remove_abandoned()
            try:
                results = evaluate_run(run, request, machine, pick_precision(precision, machine.device))
                scored += results
                lines.append(without_controls(f"{run}: {_summary(results)}"))
            except UserError as error:  # the other runs are scored all the same
                errors.append(error)
            advance()
    if lines:
        typer.echo("\n".join([*lines, *map(without_controls, fold_means(scored))]))
        typer.echo(without_controls(f"next: avtrain report {_folder_to_report(runs)}"))
    if errors:
        raise _together(errors)


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
