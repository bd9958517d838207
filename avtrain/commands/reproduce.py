"""`avtrain reproduce`: one command a published table."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.machine_options import Cache, Device, LoaderWorkers, NoCache, Precision, cache_folder
from avtrain.commands.reproduce_mla import HELP, mla_table
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

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Published tables, made anew and judged.")


@app.callback()
def reproduce() -> None:
    """Published tables, made anew and judged."""


@app.command()
def poster(
    manifests: Manifests,
    preset: Annotated[
        str, typer.Option(help="fair: the manifests' own scenarios; poster or poster-fixed: its noise in their place.")
    ] = "fair",
    seeds: Seeds = "0,1,2",
    methods: Annotated[str, typer.Option(help="all, or some, e.g. finetune,prompt.")] = "all",
    regimes: Annotated[
        str, typer.Option(help="scenarios: fine-tuning alone is trained on clean data too; both: every method is.")
    ] = "scenarios",
    backbone: Annotated[str, typer.Option(help="dual, cav-mae or tiny.")] = "dual",
    overrides: Overrides = None,
    settings: Settings = None,
    epochs_scale: Annotated[float, typer.Option(help="Of each method's epochs, e.g. 0.1 for a trial.")] = 1.0,
    out: Out = Path("reproduced"),
    dry_run: DryRun = False,
    device: Device = "auto",
    precision: Precision = "auto",
    resume: Resume = "auto",
    workers: LoaderWorkers = 0,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Both accuracy tables and the efficiency table, beside what was published, each number judged.

    Every system, clean-trained fine-tuning among them, and prompts both from the pretrained backbone and, as published,
    from the fine-tuned one. Stopped and started again, it goes on where it was.

    Examples:

        avtrain reproduce poster manifests/urbansound8kav.yaml manifests/cifar10av.yaml
        avtrain reproduce poster manifests/urbansound8kav.yaml --preset poster --dry-run
    """
    from avtrain.reproduction.plan import make_plan
    from avtrain.reproduction.prompt_the_missing.page import write
    from avtrain.reproduction.prompt_the_missing.report import collect
    from avtrain.reproduction.prompt_the_missing.systems import EVERY, choose_systems, with_preset

    computing = computing_on(device, precision, resume, workers, cache_folder(cache, no_cache, out))
    plan = make_plan(
        [with_preset(manifest, preset) for manifest in load_manifests(manifests)],
        choose_systems(methods, regimes),
        parse_seeds(seeds),
        options_of_all(backbone, computing, overrides),
        settings_of_methods(settings),
        out,
        known=EVERY,
        epochs_scale=epochs_scale,
    )
    if made(plan, computing, dry_run):
        page, data = write(plan, collect(plan, preset), out)
        typer.echo(f"written: {page}, {data}")


for name, summary in HELP.items():
    app.command(name, help=summary)(mla_table)
