"""`avtrain reproduce mla-table2`: accuracy by missing rate, under one or several protocols."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avtrain.commands.options import Cache, Device, LoaderWorkers, NoCache, Precision, Resume, cache_folder, parse_seeds
from avtrain.commands.reproduce.options import (
    DryRun,
    ListAll,
    ListAs,
    Manifests,
    Out,
    Overrides,
    Seeds,
    Settings,
    compute_options,
    load_manifests,
    method_settings,
    print_list,
    shared_fit_options,
)

if TYPE_CHECKING:
    from avtrain.reproduction.mla.missing_rates_runs import RatePlan

SAVE_EVERY = 10.0  # seconds between two savings of a run: an epoch on frozen embeddings takes a fraction of one


def mla_table2(
    manifests: Manifests = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Missing protocols, e.g. cpm,bernoulli; fixed: one for each modality. `avbuild scenarios` lists all.",
            show_default="cpm",
        ),
    ] = None,
    missing: Annotated[
        str, typer.Option(help="Where modalities are missing: train-and-test, as published, or test alone.")
    ] = "train-and-test",
    methods: Annotated[str, typer.Option(help="all, or some, e.g. late-fusion,mla.")] = "all",
    rates: Annotated[str, typer.Option(help="Missing rates, 0 to 1.")] = "0.1,0.2,0.3,0.4,0.5,0.6,0.7",
    seeds: Seeds = "0,1,2",
    backbone: Annotated[str, typer.Option(help="Whose frozen embeddings are read: dual or any other.")] = "dual",
    epochs: Annotated[int | None, typer.Option(help="Number of epochs of every method.", show_default="100")] = None,
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
    """Reproduce Table 2 of MLA (CVPR 2024), accuracy by missing rate, with newer methods.

    A manifest names a data set and its split. All methods are trained on the same masks and frozen embeddings, with one
    recipe. Without a manifest the 84 published numbers are shown. A command that was stopped continues where it was.

    Examples:

        avtrain reproduce mla-table2 manifests/cremad.yaml --dry-run
        avtrain reproduce mla-table2 manifests/cremad.yaml --rates 0.3,0.5
        avtrain reproduce mla-table2 manifests/cremad.yaml --protocol cpm,tate
        avtrain reproduce mla-table2 --list --format csv
    """
    if print_list("mla-table2", list_numbers, list_as):
        return
    from avtrain.reproduction.mla.missing_rates_page import printed, write
    from avtrain.reproduction.mla.missing_rates_runs import collect, run_all

    plan, tables = None, []
    if manifests:
        compute = compute_options(device, precision, resume, workers, cache_folder(cache, no_cache, out))
        options = shared_fit_options(backbone, compute, overrides, epochs)
        given = method_settings(settings)
        plan = _plan(manifests, protocol or ["cpm"], missing, methods, rates, seeds, options, given, out)
        if dry_run:
            _list_runs(plan)
            return
        machine = replace(compute.machine, save_every=SAVE_EVERY, frozen_weights=out / "frozen-weights")
        run_all(plan, machine, compute.resume, typer.echo)
        tables = collect(plan)
    typer.echo("\n".join(printed(plan, tables)))
    typer.echo(f"written: {', '.join(map(str, write(out, plan, tables)))}")


def _plan(
    paths: list[str],
    protocols: list[str],
    missing: str,
    methods: str,
    rates: str,
    seeds: str,
    options: dict[str, Any],
    settings: dict[str, dict[str, Any]],
    out: Path,
) -> "RatePlan":
    """Return the plan of the values of the options, all checked.  Raises UsageError."""
    from avbuild.errors import UsageError, nearest
    from avtrain.reproduction.mla import missing_rates
    from avtrain.reproduction.mla.missing_rates_runs import RatePlan, make_rate_plan

    if missing not in missing_rates.MISSING_IN:
        known = missing_rates.MISSING_IN
        raise UsageError(f'--missing: no "{missing}"{nearest(missing, known)}; allowed: {", ".join(known)}')
    plan: RatePlan = make_rate_plan(
        load_manifests(paths),
        protocols,
        "test" if missing == "test" else "train-and-test",
        methods,
        missing_rates.parse_rates(rates),
        parse_seeds(seeds),
        options,
        settings,
        out,
    )
    return plan


def _list_runs(plan: "RatePlan") -> None:
    for planned in plan.plan.runs:
        scored = ", ".join(f"{c.protocol} {c.scenario}" for c in plan.scored(planned))
        typer.echo(f"{planned}; scored under {scored}")
    typer.echo(f"{len(plan.plan.runs)} runs; nothing was made")
