"""`avtrain reproduce prompt-the-missing`, or `poster`: the tables of "Prompt the Missing" (CVPRW 2025)."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import Cache, Device, LoaderWorkers, NoCache, Precision, Resume, cache_folder, parse_seeds
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


def prompt_the_missing(
    manifests: Manifests = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="fair: the manifests' own scenarios. poster, poster-fixed: the paper's noise instead.",
            show_default="fair",
        ),
    ] = None,
    recipe: Recipe = "own",
    seeds: Seeds = "0,1,2",
    methods: Annotated[str, typer.Option(help="all, or some, e.g. finetune,prompt.")] = "all",
    regimes: Annotated[
        str,
        typer.Option(help="scenarios: only fine-tuning is trained on clean data too. both: every method is."),
    ] = "scenarios",
    backbone: Annotated[
        str | None, typer.Option(help="dual, cav-mae (as published) or tiny.", show_default="dual")
    ] = None,
    overrides: Overrides = None,
    settings: Settings = None,
    epochs_scale: Annotated[
        float, typer.Option(help="Factor on each method's number of epochs, e.g. 0.1 for a trial.")
    ] = 1.0,
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
    """Reproduce both accuracy tables and the efficiency table of "Prompt the Missing" (CVPRW 2025).

    Every system is trained, among them fine-tuning on clean data, and prompts on the pretrained backbone and, as
    published, on the fine-tuned one. --recipe published takes the noise, and of the recipe of prompts what the released
    code states and avtrain offers. A command that was stopped continues where it was. Also called: poster.

    Examples:

        avtrain reproduce prompt-the-missing --list
        avtrain reproduce prompt-the-missing manifests/cifar10av.yaml
        avtrain reproduce prompt-the-missing manifests/cifar10av.yaml --dry-run
    """
    if print_list("prompt-the-missing", list_numbers, list_as):
        return
    from avtrain.reproduction.plan import make_plan
    from avtrain.reproduction.prompt_the_missing.checks import CHECKS
    from avtrain.reproduction.prompt_the_missing.page import COMMAND, numbers, write
    from avtrain.reproduction.prompt_the_missing.published import CELLS
    from avtrain.reproduction.prompt_the_missing.recipe import PRESET, PROMPT_RECIPE
    from avtrain.reproduction.prompt_the_missing.report import collect
    from avtrain.reproduction.prompt_the_missing.systems import EVERY, FAIR, choose_systems, with_preset
    from avtrain.reproduction.summary import arithmetic_lines, summary

    chosen = choose_recipe(recipe, {"published": PROMPT_RECIPE})
    noise = preset or (PRESET if chosen else FAIR)
    compute = compute_options(
        device, precision_of(precision, chosen), resume, workers, cache_folder(cache, no_cache, out)
    )
    asked = shared_fit_options(backbone or (None if chosen else "dual"), compute, overrides)
    options, own = with_published_options(chosen, asked, method_settings(settings), EVERY)
    plan = make_plan(
        [with_preset(manifest, noise) for manifest in load_manifests(manifests)],
        choose_systems(methods, regimes),
        parse_seeds(seeds),
        options,
        own,
        out,
        known=EVERY,
        epochs_scale=epochs_scale,
    )
    if make_runs(plan, compute, dry_run):
        tables = collect(plan, noise)
        lines = [*arithmetic_lines(CHECKS), "", *summary(COMMAND, CELLS, numbers(tables))]
        typer.echo("\n".join(lines))
        typer.echo(f"written: {', '.join(map(str, write(plan, tables, out)))}")
