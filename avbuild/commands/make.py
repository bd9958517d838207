"""`avbuild make`."""

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avbuild.commands.data_sets import data_option
from avbuild.commands.engine_options import EngineChoice, EngineOption, RayAddress, ShardOption, Workers, chosen_engine
from avbuild.errors import UsageError


class Layout(StrEnum):
    """How the audio is laid out on disk."""

    official = "official"
    kaggle = "kaggle"


class SplitChoice(StrEnum):
    """How clips become train, validation and test."""

    grouped = "grouped"
    random70 = "random70"


def make(
    name: Annotated[str, typer.Argument(help="Which data set; `avbuild list` shows them.")],
    out: Annotated[str, typer.Option(help="Folder (or fsspec URL) that gets the data set's own folder.")] = "data/",
    sources: Annotated[
        Path, typer.Option(envvar="AVBUILD_SOURCES", help="Where published corpora lie or are downloaded to.")
    ] = Path("data/sources"),
    audio_root: Annotated[Path | None, typer.Option(help="The recordings, where they are not in --sources.")] = None,
    images: Annotated[
        str | None, typer.Option(help="Pictures: folder:PATH, cifar10:PATH or hf:NAME.", show_default="CIFAR-10")
    ] = None,
    label_map: Annotated[
        Path | None, typer.Option(help="YAML: class -> classes of the other modality.", show_default="as shipped")
    ] = None,
    layout: Annotated[Layout, typer.Option(help="kaggle: the release by Guo et al.")] = Layout.official,
    split: Annotated[SplitChoice, typer.Option(help="random70 is the legacy split, and leaky.")] = SplitChoice.grouped,
    folds: Annotated[
        str | None, typer.Option(help="Official folds, e.g. 1,2 or all: the last tests, the others train.")
    ] = None,
    lists: Annotated[
        Path | None, typer.Option(help="crema-d: a folder with a published train list and test list, often leaky.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="crema-d: frames taken of a second.", show_default="1", min=0.01, max=120)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many pairs, evenly over the classes.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Decides pairing and splits.")] = 0,
    workers: Workers = None,
    engine: EngineOption = EngineChoice.local,
    ray_address: RayAddress = None,
    shard: ShardOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unusable files out, and say so.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and how large.")] = False,
) -> None:
    """Build a clean data set: every sound decoded to 16 kHz mono, every picture as it came, paired and split.

    Killed at any moment and started again, it finishes the rest and ends with the same bytes.

    Examples:

        avbuild make demo-av --out demo/
        avbuild make urbansound8k-av --out data/
        avbuild make urbansound8k-av --audio-root UrbanSound8K/ --images folder:pictures/ --folds 1,2
        avbuild make cifar10-av --audio-root ESC-50-master/ --images cifar10:cifar-10-python.tar.gz
        avbuild make crema-d --audio-root CREMA-D/ --fps 2
    """
    from avbuild.dataset.storage import Folder
    from avbuild.pipeline.engines import default_workers, parse_job_share
    from avbuild.sources.options import Options, refuse_unused
    from avbuild.sources.registry import find_builder

    builder, started, part = find_builder(name), time.monotonic(), parse_job_share(shard) if shard else None
    options = Options(
        sources=sources,
        audio_root=audio_root,
        images=images,
        label_map=label_map,
        layout=layout.value,
        split=split.value,
        folds=_folds(folds),
        limit=limit,
        seed=seed,
        offline=offline or bool(os.environ.get("HF_HUB_OFFLINE")),
        fps=fps,
        lists=lists,
    )
    refuse_unused(options, name, builder.options)
    from avbuild.pipeline.make import write
    from avbuild.pipeline.prepare import prepare

    prepared = prepare(builder, options, workers or default_workers(), skip_bad)
    folder = Folder(f"{out.rstrip('/')}/{name}")
    if dry_run:
        from avbuild.pipeline.estimate import estimate_make

        typer.echo(estimate_make(prepared, folder))
        return
    build = write(prepared, folder, chosen_engine(engine, workers, ray_address), part)
    if build is None:
        typer.echo(f"{name}: share {shard} written to {folder}, {time.monotonic() - started:.0f} s")
        typer.echo("next: once all shares are written, the same command without --shard checks and completes them")
        return
    rows = sum(made.rows for made in build.scenarios["C"].splits.values())
    left_out = f", {len(build.left_out):,} left out ({folder.path('build.json')})" if build.left_out else ""
    typer.echo(f"{name}: {rows:,} pairs{left_out} in {folder}, {time.monotonic() - started:.0f} s")
    typer.echo("next: avbuild corrupt --scenario D" + data_option(folder.url))


def _folds(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    folds = range(1, 11) if text == "all" else [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if len(set(folds)) < 2 or len(set(folds)) != len(folds) or min(folds) < 1:
        raise UsageError(f"--folds {text}: give two or more different folds, such as 1,2 (the last tests), or all")
    return tuple(folds)
