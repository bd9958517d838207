"""`avtrain errors`."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import DataPlace, Device, OneRun, Precision, expand


def errors(
    run: OneRun,
    scenario: Annotated[str, typer.Option(help="The scenario, e.g. D or D-severity5.")],
    top: Annotated[int, typer.Option(help="Number of samples.", min=1, max=500)] = 20,
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    inference: Annotated[
        str | None,
        typer.Option(help="oracle, concat or router, for a method that has them.", show_default="router"),
    ] = None,
    manifest: Annotated[str | None, typer.Option(help="Another manifest, which has the scenario.")] = None,
    data: DataPlace = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file.", show_default="errors-RUN-SCENARIO.html", callback=expand),
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
) -> None:
    """Write a page with the samples that a run classifies worst, to see and hear them.

    It shows each sample clean and corrupted, what was done to it, and the probabilities.
    A CSV file beside the page lists the same samples.

    Examples:

        avtrain errors runs/demo-finetune-tiny --scenario D
        avtrain errors runs/demo-finetune-tiny --scenario C --split validation
        avtrain errors runs/demo-prompt-tiny --scenario A --inference oracle
    """
    from avbuild.dataset.splits import SPLITS
    from avbuild.dataset.storage import write_whole
    from avbuild.errors import UsageError
    from avbuild.escaping import as_file_name
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.device import Machine, pick_device, pick_precision
    from avtrain.evaluation.conditions import EvalRequest
    from avtrain.evaluation.location import locate_data
    from avtrain.evaluation.worst_samples import choose_inference, find_condition, worst_samples
    from avtrain.report.error_page import refuse_error_page, render_error_csv, render_error_page
    from avtrain.report.terminal import without_controls
    from avtrain.runs.guards import require_finished
    from avtrain.runs.search import find_run

    chosen = next((name for name in SPLITS if name == split), None)
    if chosen is None:
        raise UsageError(f"--split {split}: allowed are {', '.join(SPLITS)}")
    trained = find_run(run)
    require_finished(trained)
    config = trained.config()
    other = load_manifest(manifest) if manifest else None
    located, request = locate_data(trained, config.manifest, EvalRequest(manifest=other, data=data))
    config = config.model_copy(update={"manifest": located})
    condition = find_condition(config, scenario, request.manifest)
    name = f"errors-{trained.folder.resolve().parent.name}-{trained.folder.resolve().name}-{scenario}"
    page = out or Path(f"{as_file_name(name)}.html")
    refuse_error_page(page)
    machine = Machine(pick_device(device))
    worst = worst_samples(
        trained,
        config,
        condition,
        chosen,
        choose_inference(config, condition, inference),
        top,
        machine,
        pick_precision(precision, machine.device),
    )
    write_whole(page, render_error_page(worst))
    write_whole(page.with_suffix(".csv"), render_error_csv(worst))
    size = page.stat().st_size / 1e6
    typer.echo(f"{worst.wrong:,} of {worst.count:,} samples are classified wrongly under {scenario}")
    typer.echo(
        without_controls(f"written: {page} ({size:.1f} MB, open it in a browser) and {page.with_suffix('.csv')}")
    )
