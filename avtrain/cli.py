"""The `avtrain` commands: nothing but argument handling. Everything heavy is imported inside a command."""

from pathlib import Path
from typing import Annotated, Any

import typer

from avbuild.command_line import run_program
from avbuild.errors import UsageError
from avtrain.commands.pretrain import pretrain

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""Audio-visual classifiers that survive noisy and missing modalities, compared on the same data.

    Examples:

        avtrain fit manifests/demo.yaml --backbone tiny --lr 0.001
        avtrain eval runs/demo-finetune-tiny
        avtrain report runs/
    """,
)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16; auto is bf16 where CUDA has it.")]
LoaderWorkers = Annotated[int, typer.Option(help="Processes that load data; changes nothing but the speed.", min=0)]


@app.command()
def fit(
    manifest: Annotated[str, typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.")],
    method: Annotated[str, typer.Option(help="`avtrain methods` lists them.")] = "finetune",
    backbone: Annotated[
        str, typer.Option(help="dual (pretrained ViT and Whisper), cav-mae or tiny (small, random).")
    ] = "dual",
    epochs: Annotated[int | None, typer.Option(help="Times through the data.", show_default="10")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.", show_default="32")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="the method's own")] = None,
    train_on: Annotated[
        str | None, typer.Option(help="scenarios: all of the manifest's; or clean.", show_default="scenarios")
    ] = None,
    seeds: Annotated[str, typer.Option(help="One run each, e.g. 0,1,2.")] = "0",
    device: Device = "auto",
    precision: Precision = "auto",
    out: Annotated[Path, typer.Option(help="Folder that gets the runs.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="The run's folder.", show_default="MANIFEST-METHOD-BACKBONE")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, e.g. method.length=16, backbone.vision=FILE.")
    ] = None,
    resume: Annotated[
        str, typer.Option(help="auto: finish what was begun; restart: begin anew; never: refuse what exists.")
    ] = "auto",
    init_from: Annotated[Path | None, typer.Option(help="Start from this run's backbone.")] = None,
    workers: LoaderWorkers = 0,
) -> None:
    """Train a method on a manifest's data, one run a seed. The best epoch is chosen on validation; test is not read.

    Examples:

        avtrain fit manifests/cifar10av.yaml
        avtrain fit manifests/demo.yaml --method prompt --backbone tiny --init-from runs/demo-finetune-tiny
        avtrain fit manifests/urbansound8kav.yaml --seeds 0,1,2 --set backbone.vision=vit.safetensors
    """
    from avbuild.manifest_file import load_manifest
    from avtrain.config import RunConfig, fit_config, parse_settings
    from avtrain.launch import check_resume, fit_run
    from avtrain.training import Machine, pick_device, pick_precision

    check_resume(resume)
    loaded, numbers, where = load_manifest(manifest), _seeds(seeds), pick_device(device)
    options: dict[str, Any] = {
        "method": method,
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "train_on": train_on,
        "precision": pick_precision(precision, where),
        **parse_settings(settings or []),
        "init_from": None if init_from is None else str(init_from),
    }
    config = fit_config(options)
    suffix = "" if config.train_on == "scenarios" else "-clean"
    folder = out / (name or f"{loaded.name}-{config.method}-{config.backbone}{suffix}")
    for seed in numbers:
        run_config = RunConfig(fit=config.model_copy(update={"seed": seed}), manifest=loaded)
        typer.echo(fit_run(folder / f"seed{seed}", run_config, Machine(where, workers), resume, init_from))
    typer.echo(f"next: avtrain eval {folder}")


def _seeds(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(f"--seeds {text}: give different whole numbers, such as 0,1,2")
    return [int(part) for part in parts]


@app.command(name="eval")
def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs.")],
    scenarios: Annotated[str, typer.Option(help="Names or patterns, e.g. 'C,D*'.")] = "*",
    device: Device = "auto",
    precision: Precision = "fp32",
    workers: LoaderWorkers = 0,
) -> None:
    """Score runs under every scenario on the test split; one JSON a run and scenario.

    Examples:

        avtrain eval runs/demo-finetune-tiny
        avtrain eval runs/ --scenarios 'D*'
    """
    from avbuild.progress import progress_bar
    from avtrain.evaluation import evaluate as score
    from avtrain.runs import find_runs
    from avtrain.training import Machine, pick_device, pick_precision

    machine = Machine(pick_device(device), workers)
    found = find_runs(runs)
    wanted = [pattern.strip() for pattern in scenarios.split(",")]
    lines = []
    with progress_bar("evaluating", len(found)) as advance:
        for run in found:
            results = score(run, wanted, machine, pick_precision(precision, machine.device))
            scores = "  ".join(f"{r['scenario']} {r['accuracy']:.3f}" for r in results)
            lines.append(f"{run}: {scores}{'  (leaky split)' if results[0]['leaky'] else ''}")
            advance()
    typer.echo("\n".join(lines))
    typer.echo(f"next: avtrain report {_common(runs)}")


def _common(places: list[Path]) -> Path:
    first = places[0]
    return (
        first if len(places) == 1 and not (first / "config.yaml").exists() and _holds_folders(first) else first.parent
    )


def _holds_folders(place: Path) -> bool:
    return bool(list(place.glob("*/seed*/config.yaml")))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of runs.")] = Path("runs"),
) -> None:
    """Print the table (methods by scenarios, mean ± std over seeds), and write it as Markdown, CSV and a plot.

    Example:

        avtrain report runs/
    """
    from rich.console import Console
    from rich.table import Table as Printed

    from avtrain.report import write_report

    console = Console()
    for table in write_report(folder):
        printed = Printed(title=f"{table.manifest}{' (leaky split)' if table.leaky else ''}: test accuracy, %")
        printed.add_column("method")
        for column in (*table.scenarios, "mean", "n"):
            printed.add_column(column, justify="right")
        for label, row in table.rows.items():
            cells = []
            for column in (*table.scenarios, "mean"):
                best = column in row and row[column].mean == table.best(column)
                cells.append(f"[bold]{row[column]}[/]" if best else str(row.get(column, "")))
            printed.add_row(label, *cells, str(table.seeds(label)))
        console.print(printed)
    typer.echo(f"written: {folder}/report.md, report.csv, report.png")


app.command()(pretrain)


@app.command()
def methods() -> None:
    """List the methods: name, one line, source."""
    import inspect

    from rich.console import Console
    from rich.table import Table as Printed

    from avtrain.methods import METHODS

    printed = Printed("method", "what it does", "source", "options (--set method.KEY=VALUE)")
    for name, method in METHODS.items():
        summary = (inspect.getdoc(method) or "").splitlines()[0]
        options = "\n".join(
            f"{key}={field.default}  {field.description or ''}" for key, field in method.Config.model_fields.items()
        )
        printed.add_row(name, summary, method.source, options)
    Console().print(printed)


@app.command()
def validate(manifests: Annotated[list[str], typer.Argument(help="Manifests.")]) -> None:
    """Report everything that is wrong with manifests, each with its line; exit 2 where anything is.

    Example:

        avtrain validate manifests/*.yaml
    """
    from avbuild.manifest_file import load_manifest

    problems = []
    for path in manifests:
        try:
            manifest = load_manifest(path)
        except UsageError as error:
            problems.append(str(error))
        else:
            typer.echo(f"{path}: sound; scenarios {', '.join(manifest.scenarios)}; data {manifest.dataset}")
    if problems:
        raise UsageError("\n".join(problems))


def main() -> None:
    """The program."""
    run_program(app, when_stopped="the same command goes on from the last whole epoch", extra="train")
