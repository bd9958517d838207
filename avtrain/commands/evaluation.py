"""`avtrain eval` and `avtrain report`."""

from pathlib import Path
from typing import Annotated

import typer

from avbuild.errors import UsageError
from avtrain.commands.machine_options import Cache, Device, LoaderWorkers, NoCache, Precision, cache_folder


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs.")],
    scenarios: Annotated[str, typer.Option(help="Names or patterns, e.g. 'C,D*'.")] = "*",
    severities: Annotated[str, typer.Option(help="Each corruption at these severities too, e.g. 1,2,3,4,5.")] = "",
    manifest: Annotated[
        str | None, typer.Option(help="Another manifest on the same data: corruptions never trained on.")
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Score runs under every scenario on the test split; one JSON a run, scenario and way of inference.

    Examples:

        avtrain eval runs/demo-finetune-tiny
        avtrain eval runs/ --scenarios 'D*'
        avtrain eval runs/ --severities 1,2,3,4,5
        avtrain eval runs/ --manifest manifests/weather.yaml
    """
    from avbuild.progress import progress_bar
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.evaluation.conditions import EvalRequest
    from avtrain.evaluation.evaluate import evaluate as score
    from avtrain.runs.folder import find_runs

    asked = EvalRequest(
        tuple(pattern.strip() for pattern in scenarios.split(",")),
        _severities(severities),
        load_manifest(manifest) if manifest else None,
    )
    found = find_runs(runs)
    # OUT/NAME/seed0: OUT is where fit kept the tokens of the other splits
    kept = cache_folder(cache, no_cache, found[0].folder.parent.parent)
    machine = Machine(pick_device(device), workers, kept)
    lines = []
    with progress_bar("evaluating", len(found)) as advance:
        for run in found:
            results = score(run, asked, machine, pick_precision(precision, machine.device))
            lines.append(f"{run}: {_scores(results)}")
            advance()
    typer.echo("\n".join(lines))
    typer.echo(f"next: avtrain report {_common(runs)}")


def _severities(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if wrong := [part for part in parts if part not in ("1", "2", "3", "4", "5")]:
        raise UsageError(f"--severities {','.join(wrong)}: allowed are 1 to 5, such as 1,3,5")
    return tuple(sorted({int(part) for part in parts}))


def _scores(results: list[dict[str, object]]) -> str:
    if not results:
        return "not scored: its method must be told the scenario, and knows none of that manifest"
    ways = [f" ({result['inference']})" if result["inference"] else "" for result in results]
    scores = [f"{r['scenario']}{way} {r['accuracy']:.3f}" for r, way in zip(results, ways, strict=True)]
    marks = ["  (leaky split)"] if results[0]["leaky"] else []
    if results[0]["selected_on"] == "test":
        marks.append("  (selected on test)")
    return "  ".join(scores) + "".join(marks)


def _common(places: list[Path]) -> Path:
    first = places[0]
    return (
        first if len(places) == 1 and not (first / "config.yaml").exists() and _holds_folders(first) else first.parent
    )


def _holds_folders(place: Path) -> bool:
    return bool(list(place.glob("*/seed*/config.yaml")))


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of runs.")] = Path("runs"),
) -> None:
    """Print the table (methods by scenarios, mean ± std over seeds); write it as a page, Markdown, CSV and a plot.

    Example:

        avtrain report runs/
    """
    from rich.console import Console
    from rich.table import Table as Printed

    from avtrain.report.writer import write_report

    console = Console()
    for table in write_report(folder):
        printed = Printed(title=f"{table.title}: test accuracy, %")
        printed.add_column("method")
        for column in (*table.columns, "n"):
            printed.add_column(column, justify="right")
        for entry, row in table.rows.items():
            cells = [f"[bold]{row[c]}[/]" if table.is_best(entry, c) else str(row.get(c, "")) for c in table.columns]
            printed.add_row(str(entry), *cells, str(table.seed_count(entry)))
        console.print(printed)
    typer.echo(f"written: {folder}/report.html, report.md, report.csv, report.png")
