"""`avbuild make`."""

import os
import re
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.commands import corpus_options, own_options
from avbuild.commands.options import (
    WORK,
    DryRun,
    EngineChoice,
    EngineOption,
    JobShareOption,
    OldJobShareOption,
    RayAddress,
    Workers,
    chosen_engine,
    chosen_job_share,
    data_option,
    home,
    print_share_written,
    say,
)
from avbuild.errors import UsageError
from avbuild.escaping import visible
from avbuild.places import expanded

if TYPE_CHECKING:
    from avbuild.dataset.build_record import BuildRecord
    from avbuild.dataset.storage import Folder

SOURCES, CONTENT = "Sources", "Splits and content"  # headings over the options in --help


class Layout(StrEnum):
    """Values of `--layout`."""

    official = "official"
    kaggle = "kaggle"


class SplitChoice(StrEnum):
    """Values of `--split`."""

    grouped = "grouped"
    random70 = "random70"
    published = "published"


def make(
    name: Annotated[str, typer.Argument(help="The data set to build; `avbuild list` shows them all.")],
    out: Annotated[
        str, typer.Option(help="Folder (or fsspec URL) in which the data set gets its folder.", rich_help_panel=WORK)
    ] = "data/",
    sources: Annotated[
        Path,
        typer.Option(
            envvar="AVBUILD_SOURCES",
            help="Folder of the published corpora; downloads go there too.",
            rich_help_panel=SOURCES,
        ),
    ] = Path("data/sources"),
    audio_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the audio files, where they are not in --sources.", rich_help_panel=SOURCES),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help="Images: folder:PATH, cifar10:PATH or hf:NAME.", show_default="CIFAR-10", rich_help_panel=SOURCES
        ),
    ] = None,
    label_map: Annotated[
        Path | None,
        typer.Option(
            help="YAML file: class -> classes of the other modality.",
            show_default="the built-in map",
            rich_help_panel=SOURCES,
        ),
    ] = None,
    audio: own_options.Audio = None,
    image: own_options.Image = None,
    video: own_options.Video = None,
    text: own_options.Text = None,
    pair: own_options.Pair = None,
    own_name: own_options.Name = None,
    title: own_options.Title = None,
    description: own_options.Description = None,
    licence: own_options.Licence = None,
    group_pattern: own_options.GroupPattern = None,
    table: own_options.Table = None,
    columns: own_options.Columns = None,
    text_files: own_options.TextFiles = False,
    allow_outside: own_options.AllowOutside = False,
    root: corpus_options.Root = None,
    label_rule: corpus_options.Rule = None,
    clip_list: corpus_options.ClipList = None,
    vocal: corpus_options.Vocal = None,
    layout: Annotated[
        Layout,
        typer.Option(help="Layout of the audio files. kaggle: the release by Guo et al.", rich_help_panel=SOURCES),
    ] = Layout.official,
    split: Annotated[
        SplitChoice,
        typer.Option(
            help="grouped: no recording in two splits. random70: the legacy split, leaky. published: that of the "
            "corpus, where it has one; it may leak.",
            rich_help_panel=CONTENT,
        ),
    ] = SplitChoice.grouped,
    folds: Annotated[
        str | None,
        typer.Option(
            help="Official folds to use, e.g. 1,2 or all. The last one is for test, the others train.",
            rich_help_panel=CONTENT,
        ),
    ] = None,
    lists: Annotated[
        Path | None,
        typer.Option(
            help="crema-d: folder of a published train list and test list; these often leak.", rich_help_panel=SOURCES
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second of video.", show_default="1", min=0.01, max=120, rich_help_panel=CONTENT),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="Build at most this many pairs, spread evenly over the classes.", min=1, rich_help_panel=CONTENT
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the pairing and of the splits.", rich_help_panel=CONTENT)] = 0,
    workers: Workers = None,
    engine: EngineOption = EngineChoice.local,
    ray_address: RayAddress = None,
    job_share: JobShareOption = None,
    shard: OldJobShareOption = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out unusable files and record them.", rich_help_panel=WORK)
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing.", rich_help_panel=WORK)] = False,
    dry_run: DryRun = False,
) -> None:
    """Build a clean data set: audio decoded to 16 kHz mono, images as they are, paired and split.

    If it is stopped at any moment, the same command finishes the rest and gives the same bytes.

    Examples:

        avbuild make demo-av --out demo/
        avbuild make urbansound8k-av --out data/
        avbuild make urbansound8k-av --images folder:images/ --folds 1,2
        avbuild make cifar10-av --audio-root ESC-50-master/
        avbuild make crema-d --audio-root CREMA-D/ --fps 2
        avbuild make folder --name mine --audio wav/ --image jpg/ --pair stem
        avbuild make folder --name mine --audio wav/ --image jpg/ --pair class
        avbuild make mine --table metadata.csv
        avbuild make mine --table t.csv --columns text=caption,label=emotion
        avbuild make mvsa-single --root MVSA_Single/
        avbuild make food-101 --root UPMC_Food101/
        avbuild make iemocap --root IEMOCAP_full_release/ --folds 1,2,3,4,5
        avbuild make kinetics-sounds --root kinetics/ --list lists/
        avbuild make ravdess --root RAVDESS/ --vocal both
    """
    from avbuild.dataset.storage import Folder
    from avbuild.pipeline.engines import default_workers
    from avbuild.sources.options import Options, refuse_unused
    from avbuild.sources.registry import all_builders, find_builder
    from avbuild.sources.table_columns import parse_columns

    started, share, place = time.monotonic(), chosen_job_share(job_share, shard), expanded(out).rstrip("/")
    own_name = own_options.checked_name(own_name)
    if table is not None:
        own_name, name = own_options.table_name(name, own_name, all_builders()), "table"
    builder = find_builder(name)
    folder = Folder(f"{place}/{own_name or name}")
    options = Options(
        sources=Path(expanded(sources)),
        audio_root=home(audio_root),
        images=_images(images),
        label_map=home(label_map),
        layout=layout.value,
        split=split.value,
        folds=_parse_folds(folds, builder.folds),
        limit=limit,
        seed=seed,
        offline=offline or bool(os.environ.get("HF_HUB_OFFLINE")),
        fps=fps,
        lists=home(lists),
        name=own_name,
        title=title,
        licence=licence,
        description=description,
        audio=home(audio),
        image=home(image),
        video=home(video),
        text=home(text),
        pair=pair.value if pair else None,
        group_pattern=group_pattern,
        table=home(table),
        columns=parse_columns(columns),
        text_files=text_files,
        allow_outside=allow_outside,
        root=home(root),
        label_rule=label_rule.value if label_rule else None,
        list=home(clip_list),
        vocal=vocal.value if vocal else None,
    )
    refuse_unused(options, name, builder.options, builder.splits)
    from avbuild.pipeline.make import write
    from avbuild.pipeline.pairing import index_notice
    from avbuild.pipeline.prepare import prepare
    from avbuild.pipeline.unusable import UnusableFiles

    try:
        prepared = prepare(builder, options, workers or default_workers(), skip_bad)
    except UnusableFiles as error:
        raise own_options.with_whole_list(error, Folder(place), own_name or name, dry_run) from None
    own_options.remove_whole_list(Folder(place), prepared.name, dry_run)
    for line in prepared.material.announcements:
        typer.echo(f"note: {visible(line)}", err=True)
    if notice := index_notice(prepared.material.match, most=20):
        typer.echo(notice, err=True)
    if dry_run:
        from avbuild.pipeline.estimate import estimate_make

        say(estimate_make(prepared, folder))
        return
    build = write(prepared, folder, chosen_engine(engine, workers, ray_address), share)
    if build is None:
        print_share_written(prepared.name, job_share or shard, folder, started)
    else:
        _print_result(prepared.noun, build, folder, started)


def _images(text: str | None) -> str | None:
    """Replace `~` in `folder:~/images`."""
    kind, colon, place = (text or "").partition(":")
    return f"{kind}:{expanded(place)}" if colon and place.startswith("~") else text


def _parse_folds(text: str | None, count: int) -> tuple[int, ...]:
    """Convert `1,2` or `all` to fold numbers, of which a corpus has so many."""
    if text is None:
        return ()
    numbers = (part.strip() for part in text.split(","))
    folds = range(1, count + 1) if text == "all" else [int(n) if re.fullmatch("[0-9]{1,4}", n) else 0 for n in numbers]
    if len(set(folds)) < 2 or len(set(folds)) != len(folds) or min(folds) < 1:
        raise UsageError(f"--folds {text}: give two or more different folds, such as 1,2 (the last is test), or all")
    return tuple(folds)


def _print_result(noun: str, build: "BuildRecord", folder: "Folder", started: float) -> None:
    rows = sum(made.rows for made in build.scenarios["C"].splits.values())
    left_out = f", {len(build.left_out):,} left out ({folder.path('build.json')})" if build.left_out else ""
    for note in build.notes:
        if note.startswith("Leaky"):
            typer.echo(f"note: {visible(note)}", err=True)
    say(f"{build.name}: {rows:,} {noun}{left_out} in {folder}, {time.monotonic() - started:.0f} s")
    scenario = "D" if len(build.modalities) > 1 and build.visuals != build.modalities else "V" if build.visuals else "A"
    say(f"next: avbuild corrupt --scenario {scenario}" + data_option(folder.url))
