"""`avtrain reproduce poster`: the tables of "Prompt the Missing" (CVPRW 2025)."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import Cache, Device, LoaderWorkers, NoCache, Precision, Resume, cache_folder, parse_seeds
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


def poster(
    manifests: Manifests,
    preset: Annotated[
        str,
        typer.Option(help="fair: the manifests' own scenarios. poster, poster-fixed: the paper's noise instead."),
    ] = "fair",
    seeds: Seeds = "0,1,2",
    methods: Annotated[str, typer.Option(help="all, or some, e.g. finetune,prompt.")] = "all",
    regimes: Annotated[
        str,
        typer.Option(help="scenarios: only fine-tuning is trained on clean data too. both: every method is."),
    ] = "scenarios",
    backbone: Annotated[str, typer.Option(help="dual, cav-mae or tiny.")] = "dual",
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
) -> None:
    """Reproduce both accuracy tables and the efficiency table of "Prompt the Missing" (CVPRW 2025).

    Every system is trained, among them fine-tuning on clean data, and prompts on the pretrained backbone and, as
    published, on the fine-tuned one. A command that was stopped continues where it was.

    Examples:

        avtrain reproduce poster manifests/cifar10av.yaml
        avtrain reproduce poster manifests/cifar10av.yaml --preset poster --dry-run
    """
    from avtrain.reproduction.plan import make_plan
    from avtrain.reproduction.prompt_the_missing.page import write
    from avtrain.reproduction.prompt_the_missing.report import collect
    from avtrain.reproduction.prompt_the_missing.systems import EVERY, choose_systems, with_preset

    compute = compute_options(device, precision, resume, workers, cache_folder(cache, no_cache, out))
    plan = make_plan(
        [with_preset(manifest, preset) for manifest in load_manifests(manifests)],
        choose_systems(methods, regimes),
        parse_seeds(seeds),
        shared_fit_options(backbone, compute, overrides),
        method_settings(settings),
        out,
        known=EVERY,
        epochs_scale=epochs_scale,
    )
    if make_runs(plan, compute, dry_run):
        page, data = write(plan, collect(plan, preset), out)
        typer.echo(f"written: {page}, {data}")
