"""`avtrain reproduce mla-table1` and `mla-table3`: one function for both tables of MLA (CVPR 2024)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    ListAll,
    ListAs,
    Manifests,
    Out,
    Overrides,
    Recipe,
    Seeds,
    Settings,
    choose_recipe,
    compute_options,
    load_manifests,
    make_runs,
    method_settings,
    precision_of,
    print_list,
    shared_fit_options,
    with_published_options,
)

if TYPE_CHECKING:
    from avtrain.reproduction.system import System


def mla_table(
    context: typer.Context,
    manifests: Manifests = None,
    methods: Annotated[str, typer.Option(help="all, or some, e.g. concat,mla.")] = "all",
    seeds: Seeds = "0,1,2",
    recipe: Recipe = "own",
    select_on_test: SelectOnTest = False,
    backbone: Annotated[
        str | None,
        typer.Option(help="resnet, as published, or any other: dual, cav-mae or tiny.", show_default="resnet"),
    ] = None,
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
    list_numbers: ListAll = False,
    list_as: ListAs = "text",
) -> None:
    """Reproduce the table that the name of the command stands for; the texts of --help are in `HELP`."""
    if print_list(str(context.info_name), list_numbers, list_as):
        return
    from avbuild.errors import UsageError
    from avtrain.reproduction.mla.page import numbers, write
    from avtrain.reproduction.mla.recipe import MLA_RECIPE
    from avtrain.reproduction.mla.report import collect
    from avtrain.reproduction.mla.tables import TABLES, choose_rows, unfit_rows
    from avtrain.reproduction.ogm_ge.recipe import OGM_GE_RECIPE
    from avtrain.reproduction.plan import make_plan
    from avtrain.reproduction.summary import summary
    from avtrain.reproduction.system import also_selected_on_test, selected_on

    table = TABLES[str(context.info_name)]
    chosen = choose_recipe(recipe, {"published": MLA_RECIPE, "ogm-ge": OGM_GE_RECIPE})
    compute = compute_options(
        device, precision_of(precision, chosen), resume, workers, cache_folder(cache, no_cache, out)
    )
    data_sets, known = load_manifests(manifests), table.systems
    systems = choose_rows(table, methods)
    on_test = chosen is not None and chosen.select_on == "test"
    if select_on_test and on_test:
        raise UsageError(f"--recipe {recipe} chooses the best epoch on test already; leave out --select-on-test")
    if select_on_test:
        warn_of_test_selection()
        systems, known = also_selected_on_test(systems), also_selected_on_test(known)
    elif on_test:
        warn_of_test_selection()
        systems, known = selected_on("test", systems), selected_on("test", known)
    asked = shared_fit_options(backbone or (None if chosen else "resnet"), compute, overrides, epochs)
    options, own = with_published_options(chosen, asked, method_settings(settings), known)
    systems = _leave_out(systems, unfit_rows(systems, data_sets, options, own), named=methods != "all")
    plan = make_plan(
        data_sets,
        systems,
        parse_seeds(seeds),
        options,
        own,
        out,
        known=known,
        scored_on="clean",
    )
    if make_runs(plan, compute, dry_run):
        tables = collect(plan, table)
        typer.echo("\n".join(summary(table.name, table.cells, numbers(tables))))
        typer.echo(f"written: {', '.join(map(str, write(plan, table, tables, out)))}")


def _leave_out(systems: "tuple[System, ...]", unfit: dict[str, str], *, named: bool) -> "tuple[System, ...]":
    """Return the rows that can be trained; raise UsageError where the user has named another one."""
    from avbuild.errors import UsageError

    for name, reason in unfit.items():
        if named:
            raise UsageError(f"--methods {name}: {reason}")
        typer.echo(f"left out: {name}: {reason}", err=True)
    return tuple(system for system in systems if system.name not in unfit)


_COMMON = """Methods are trained and scored on clean data. With --select-on-test every row is made both ways, and the
table shows what choosing the best epoch on the test split gains. --recipe published trains as the released code does,
and chooses on test alone; --recipe ogm-ge as that of OGM-GE. A command that was stopped continues where it was.

Examples:
"""
HELP = {
    "mla-table1": f"""Reproduce Table 1 of MLA (CVPR 2024), with newer methods: each modality alone, and all together.

{_COMMON}
    avtrain reproduce mla-table1 manifests/cremad.yaml --dry-run
    avtrain reproduce mla-table1 manifests/cremad.yaml --backbone dual
    avtrain reproduce mla-table1 manifests/cremad.yaml --methods concat,mla
    avtrain reproduce mla-table1 manifests/cremad.yaml --recipe published
""",
    "mla-table3": f"""Reproduce Table 3 of MLA (CVPR 2024): its two parts, on and off, as described and as released.

{_COMMON}
    avtrain reproduce mla-table3 manifests/cremad.yaml --recipe published
""",
}
