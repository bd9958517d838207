"""`avtrain reproduce mla-table1` and `mla-table3`: one function for both tables of MLA (CVPR 2024)."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import (
    Cache,
    Device,
    LoaderWorkers,
    NoCache,
    Precision,
    Resume,
    SelectOnTest,
    cache_folder,
    parse_seeds,
    warn_of_test_selection,
)
from avtrain.commands.reproduce.options import (
    DryRun,
    Manifests,
    Out,
    Overrides,
    Seeds,
    Settings,
    compute_options,
    load_manifests,
    make_runs,
    method_settings,
    shared_fit_options,
)


def mla_table(
    context: typer.Context,
    manifests: Manifests,
    methods: Annotated[str, typer.Option(help="all, or some, e.g. concat,mla.")] = "all",
    seeds: Seeds = "0,1,2",
    select_on_test: SelectOnTest = False,
    backbone: Annotated[
        str, typer.Option(help="resnet, as published, or any other: dual, cav-mae or tiny.")
    ] = "resnet",
    epochs: Annotated[
        int | None, typer.Option(help="Number of epochs of every method.", show_default="each method's own")
    ] = None,
    overrides: Overrides = None,
    settings: Settings = None,
    out: Out = Path("reproduced"),
    dry_run: DryRun = False,
    device: Device = "auto",
    precision: Precision = "auto",
    resume: Resume = "auto",
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Reproduce the table that the name of the command stands for; the texts of --help are in `HELP`."""
    from avtrain.reproduction.mla.page import write
    from avtrain.reproduction.mla.report import collect
    from avtrain.reproduction.mla.tables import TABLES, choose_rows
    from avtrain.reproduction.plan import make_plan
    from avtrain.reproduction.system import also_selected_on_test

    table = TABLES[str(context.info_name)]
    compute = compute_options(device, precision, resume, workers, cache_folder(cache, no_cache, out))
    systems, known = choose_rows(table, methods), table.systems
    if select_on_test:
        warn_of_test_selection()
        systems, known = also_selected_on_test(systems), also_selected_on_test(known)
    plan = make_plan(
        load_manifests(manifests),
        systems,
        parse_seeds(seeds),
        shared_fit_options(backbone, compute, overrides, epochs),
        method_settings(settings),
        out,
        known=known,
        scored_on="clean",
    )
    if make_runs(plan, compute, dry_run):
        page, data = write(plan, table, collect(plan, table), out)
        typer.echo(f"written: {page}, {data}")


_COMMON = """Methods are trained and scored on clean data. With --select-on-test every row is made both ways, and the
table shows what choosing the best epoch on the test split gains. A command that was stopped continues where it was.

Examples:
"""
HELP = {
    "mla-table1": f"""Reproduce Table 1 of MLA (CVPR 2024), with newer methods: each modality alone, and all together.

{_COMMON}
    avtrain reproduce mla-table1 manifests/cremad.yaml --dry-run
    avtrain reproduce mla-table1 manifests/cremad.yaml --backbone dual
    avtrain reproduce mla-table1 manifests/cremad.yaml --methods concat,mla
""",
    "mla-table3": f"""Reproduce Table 3 of MLA (CVPR 2024): its two parts, on and off, as described and as released.

{_COMMON}
    avtrain reproduce mla-table3 manifests/cremad.yaml --epochs 100
""",
}
