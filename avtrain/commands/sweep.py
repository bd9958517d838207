"""`avtrain sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avbuild.errors import UserError
from avtrain.commands.options import (
    Cache,
    DataPlace,
    Device,
    LoaderWorkers,
    NoCache,
    Precision,
    Resume,
    cache_folder,
    expand,
    parse_seeds,
    set_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avtrain.training.sweep import SweepResult


def sweep(
    manifest: Annotated[str, typer.Argument(help="A manifest, e.g. manifests/cifar10av.yaml.")],
    grid: Annotated[
        list[str] | None,
        typer.Option(help="An option as in --set, and its values, e.g. lr=1e-3,3e-3; several make all combinations."),
    ] = None,
    method: Annotated[str, typer.Option(help="The method; `avtrain methods` lists them all.")] = "finetune",
    backbone: Annotated[str, typer.Option(help="The backbone, as for avtrain fit.")] = "dual",
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.", show_default="the method's own")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per batch.", show_default="32")] = None,
    train_on: Annotated[
        str | None, typer.Option(help="scenarios: all of the manifest's. clean: clean data.", show_default="scenarios")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, one run of each combination for each, e.g. 0,1,2.")] = "0",
    device: Device = "auto",
    precision: Precision = "auto",
    out: Annotated[Path, typer.Option(help="Folder of all runs.", callback=expand)] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Folder of this sweep.", show_default="MANIFEST-METHOD-BACKBONE-sweep")
    ] = None,
    settings: Annotated[list[str] | None, set_option("method.heads=2, backbone.vision=FILE")] = None,
    resume: Resume = "auto",
    init_from: Annotated[
        Path | None, typer.Option(help="A run whose trained backbone is the starting point.", callback=expand)
    ] = None,
    data: DataPlace = None,
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Train every combination of some options, and rank them on the validation split.

    The test split is not read. A sweep that was stopped goes on with the same command. The ranked table is written to
    sweep.csv in its folder, and the last line is the command that trains the best combination.

    Examples:

        avtrain sweep manifests/demo.yaml --method prompt --grid method.length=4,8
        avtrain sweep manifests/demo.yaml --grid lr=1e-4,1e-3 --seeds 0,1,2
    """
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.config import RunConfig
    from avtrain.data.shards import at_place
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.distributed.row_sharing import is_rank0
    from avtrain.report.terminal import without_controls
    from avtrain.training.options import parse_settings
    from avtrain.training.plan import default_name
    from avtrain.training.start import check_resume, fit_run
    from avtrain.training.sweep import SweepPoint, fit_command, parse_grid, run_sweep, sweep_points, write_table

    check_resume(resume)
    loaded, numbers, where = at_place(load_manifest(manifest), data), parse_seeds(seeds), pick_device(device)
    varied = parse_grid(grid or [])
    options: dict[str, Any] = {
        "method": method,
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "train_on": train_on,
        "precision": pick_precision(precision, where),
        **parse_settings(settings or []),
        "select_on": "validation",
        "init_from": None if init_from is None else str(init_from),
    }
    points = sweep_points(varied, options)
    of_point = [RunConfig(fit=point.config, manifest=loaded) for point in points]
    folder = out / (name or f"{default_name(of_point[0])}-sweep")
    machine = Machine(where, workers, cache_folder(cache, no_cache, out))

    def train(point: SweepPoint, seed: int, place: Path) -> None:
        config = RunConfig(fit=point.config.model_copy(update={"seed": seed}), manifest=loaded)
        for line in fit_run(place, config, machine, resume, init_from).splitlines():
            typer.echo(without_controls(line))

    results = run_sweep(folder, points, numbers, train)
    if not is_rank0():
        return
    _print_table(results)
    typer.echo(without_controls(f"written: {write_table(folder, results)}"))
    if results[0].problem:
        raise UserError(f"{folder}: every combination diverged; try lower values of lr")
    given = {
        "--method": method, "--backbone": backbone, "--epochs": epochs, "--batch-size": batch_size,
        "--train-on": train_on, "--seeds": seeds, "--precision": None if precision == "auto" else precision,
        "--init-from": init_from, "--data": data, "--out": None if out == Path("runs") else out,
    }  # fmt: skip
    words = [str(word) for option, value in given.items() if value is not None for word in (option, value)]
    words += [word for setting in settings or [] for word in ("--set", setting)]
    typer.echo(without_controls(f"next: {fit_command(manifest, words, results[0].point)}"))


def _print_table(results: "Sequence[SweepResult]") -> None:
    """Print the combinations, best first."""
    from rich.console import Console
    from rich.table import Table

    from avtrain.report.terminal import plain

    table = Table("rank", *map(plain, results[0].point.varied), title="validation accuracy, %, mean over scenarios")
    table.add_column("mean ± std over seeds", justify="right")
    table.add_column("n", justify="right")
    for rank, result in enumerate(results, 1):
        values = [plain(str(value)) for value in result.point.varied.values()]
        table.add_row(str(rank), *values, str(result), str(len(result.scores)))
    Console().print(table)
