"""`avtrain reproduce mla-table1` and `mla-table3`: one command for both."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.machine_options import Cache, Device, LoaderWorkers, NoCache, Precision, cache_folder
from avtrain.commands.reproduction_options import (
    DryRun,
    Manifests,
    Out,
    Overrides,
    Seeds,
    Settings,
    computing_on,
    load_manifests,
    made,
    options_of_all,
    settings_of_methods,
)
from avtrain.commands.run_options import Resume
from avtrain.commands.seeds import parse_seeds
from avtrain.commands.selection import SelectOnTest, warn_of_test_selection

MlaBackbone = Annotated[str, typer.Option(help="resnet, as published, or any other: dual, cav-mae or tiny.")]
Epochs = Annotated[int | None, typer.Option(help="Of every method.", show_default="each method's own")]


def mla_table(
    context: typer.Context,
    manifests: Manifests,
    methods: Annotated[str, typer.Option(help="all, or some, e.g. concat,mla.")] = "all",
    seeds: Seeds = "0,1,2",
    select_on_test: SelectOnTest = False,
    backbone: MlaBackbone = "resnet",
    epochs: Epochs = None,
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
    """Make one of the tables, by the name of its command; `HELP` says what each is."""
    from avtrain.reproduction.mla.page import write
    from avtrain.reproduction.mla.report import collect
    from avtrain.reproduction.mla.tables import TABLES, choose_rows
    from avtrain.reproduction.plan import also_selected_on_test, make_plan

    table = TABLES[str(context.info_name)]
    computing = computing_on(device, precision, resume, workers, cache_folder(cache, no_cache, out))
    systems, known = choose_rows(table, methods), table.systems
    if select_on_test:
        warn_of_test_selection()
        systems, known = also_selected_on_test(systems), also_selected_on_test(known)
    plan = make_plan(
        load_manifests(manifests),
        systems,
        parse_seeds(seeds),
        options_of_all(backbone, computing, overrides, epochs),
        settings_of_methods(settings),
        out,
        known=known,
        scored_on="clean",
    )
    if made(plan, computing, dry_run):
        page, data = write(plan, table, collect(plan, table), out)
        typer.echo(f"written: {page}, {data}")


_HOW = """Trained and scored on clean data. With --select-on-test every row is there both ways, and what the habit is
worth. Stopped and started again, it goes on where it was.

Examples:
"""
HELP = {
    "mla-table1": f"""Table 1 of MLA (CVPR 2024) and newer methods: each modality and all, beside what was published.

{_HOW}
    avtrain reproduce mla-table1 manifests/cremad.yaml --dry-run
    avtrain reproduce mla-table1 manifests/cremad.yaml --set method.frozen=true --backbone dual
    avtrain reproduce mla-table1 manifests/cremad.yaml --methods concat,mla --select-on-test
""",
    "mla-table3": f"""Table 3 of MLA (CVPR 2024): its two parts, each on and off, as described and as released.

{_HOW}
    avtrain reproduce mla-table3 manifests/cremad.yaml --epochs 100
""",
}
