"""The `avbuild` commands: nothing but argument handling. Everything heavy is imported inside a command."""

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.command_line import run_program
from avbuild.errors import UsageError, UserError, listed

if TYPE_CHECKING:
    from avbuild.engines import Engine

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""Paired audio-visual data sets, corrupted so exactly that any sample can be re-created anywhere.

    Examples:

        avbuild make demo-av --out demo/
        avbuild make urbansound8k-av --out data/
        avbuild corrupt --scenario D
        avbuild verify data/urbansound8k-av
    """,
)

Workers = Annotated[int | None, typer.Option(help="Processes to use.", show_default="all cores", min=1)]


class EngineChoice(StrEnum):
    """What runs the work."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[EngineChoice, typer.Option("--engine", help="ray: the same work as Ray tasks.")]
RayAddress = Annotated[str | None, typer.Option(help="A Ray cluster.", show_default="this machine")]
ShardOption = Annotated[
    str | None, typer.Option("--shard", help="i/n: only this share, for task i of n of a batch scheduler.")
]


class Layout(StrEnum):
    """How the audio is laid out on disk."""

    official = "official"
    kaggle = "kaggle"


class SplitChoice(StrEnum):
    """How clips become train, validation and test."""

    grouped = "grouped"
    random70 = "random70"


@app.command()
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
    """
    from avbuild.builders import BUILDERS, Options
    from avbuild.engines import default_workers, parse_part
    from avbuild.errors import nearest
    from avbuild.storage import Folder

    if name not in BUILDERS:
        raise UsageError(f'no data set "{name}"{nearest(name, BUILDERS)}; known: {", ".join(BUILDERS)}')
    builder, started, part = BUILDERS[name], time.monotonic(), parse_part(shard) if shard else None
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
    )
    from avbuild.make import write
    from avbuild.prepare import prepare

    prepared = prepare(builder, options, workers or default_workers(), skip_bad)
    folder = Folder(f"{out.rstrip('/')}/{name}")
    if dry_run:
        from avbuild.estimate import estimate_make

        typer.echo(estimate_make(prepared, folder))
        return
    build = write(prepared, folder, _engine(engine, workers, ray_address), part)
    if build is None:
        typer.echo(f"{name}: share {shard} written to {folder}, {time.monotonic() - started:.0f} s")
        typer.echo("next: once all shares are written, the same command without --shard checks and completes them")
        return
    rows = sum(made.rows for made in build.scenarios["C"].splits.values())
    left_out = f", {len(build.left_out):,} left out ({folder.path('build.json')})" if build.left_out else ""
    typer.echo(f"{name}: {rows:,} pairs{left_out} in {folder}, {time.monotonic() - started:.0f} s")
    typer.echo("next: avbuild corrupt --scenario D" + _data_option(folder.url))


def _engine(engine: EngineChoice, workers: int | None, address: str | None) -> "Engine":
    from avbuild.engines import Engine, default_workers

    if address is not None and engine is not EngineChoice.ray:
        raise UsageError("--ray-address goes with --engine ray")
    return Engine(engine.value, workers or default_workers(), address)


def _folds(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    folds = range(1, 11) if text == "all" else [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if len(set(folds)) < 2 or len(set(folds)) != len(folds) or min(folds) < 1:
        raise UsageError(f"--folds {text}: give two or more different folds, such as 1,2 (the last tests), or all")
    return tuple(folds)


@app.command()
def corrupt(
    scenario: Annotated[str, typer.Option(help="One of the manifest's scenarios, or several: A,V,D.")],
    data: Annotated[str | None, typer.Option(help="The data set.", show_default="the one under data/")] = None,
    splits: Annotated[str, typer.Option(help="Splits to corrupt, e.g. train,validation,test.")] = "test",
    severity: Annotated[int | None, typer.Option(help="All ops at this severity.", min=1, max=5)] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the manifest's seed.")] = None,
    manifest: Annotated[str | None, typer.Option(help="In place of the data set's own manifest.")] = None,
    workers: Workers = None,
    engine: EngineOption = EngineChoice.local,
    ray_address: RayAddress = None,
    shard: ShardOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and how large.")] = False,
) -> None:
    """Write a scenario's shards beside the clean ones. The same bytes for any number of workers, on any machine.

    Examples:

        avbuild corrupt --scenario D
        avbuild corrupt --scenario A,V,D --data data/urbansound8k-av --splits validation,test
        avbuild corrupt --scenario D --severity 5
    """
    from avbuild.corrupt import Corruptions, corrupt_data_set, plan_corruptions
    from avbuild.engines import parse_part
    from avbuild.samples import SPLITS
    from avbuild.storage import Folder

    started, wanted, part = time.monotonic(), _words(splits), parse_part(shard) if shard else None
    if unknown := [split for split in wanted if split not in SPLITS]:
        raise UsageError(f"--splits {','.join(unknown)}: allowed are {', '.join(SPLITS)}")
    folder = Folder(data or _only_data_set())
    asked = Corruptions(
        scenarios=tuple(_words(scenario)),
        splits=tuple(split for split in SPLITS if split in wanted),
        severity=severity,
        seed=seed,
        manifest=manifest,
    )
    build, updated, names = plan_corruptions(folder, asked)
    if dry_run:
        from avbuild.estimate import estimate_corrupt

        typer.echo(estimate_corrupt(folder, build, updated, names, asked.splits))
        return
    where = _engine(engine, workers, ray_address)
    done = corrupt_data_set(folder, build, updated, names, asked.splits, where, part)
    if done is None:
        typer.echo(f"{', '.join(names)}: share {shard} written to {folder}, {time.monotonic() - started:.0f} s")
        typer.echo("next: once all shares are written, the same command without --shard checks and completes them")
        return
    build = done
    for name in names:
        record = build.scenarios[name]
        rows = {split: record.splits[split].rows for split in asked.splits}
        missing = {m: sum(made.missing[m] for made in record.splits.values()) for m in ("audio", "image")}
        gone = "".join(f", {m} missing in {count:,}" for m, count in missing.items() if count)
        typer.echo(
            f"{name}: {', '.join(f'{count:,} {split}' for split, count in rows.items())}{gone}"
            f" in {folder.path(name)}, {time.monotonic() - started:.0f} s"
        )
    typer.echo(f"next: avtrain fit {folder.path('manifest.yaml')}")


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _only_data_set() -> str:
    found = sorted(path.parent for path in Path("data").glob("*/build.json"))
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise UsageError("no data set under data/; make one (avbuild make demo-av --out data/) or say --data FOLDER")
    raise UsageError(f"several data sets under data/; say which with --data:\n{listed(found)}")


def _data_option(url: str) -> str:
    found = list(Path("data").glob("*/build.json"))
    return "" if len(found) == 1 and Path(url).resolve() == found[0].parent.resolve() else f" --data {url}"


@app.command()
def verify(folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")]) -> None:
    """Recompute every hash; check card, manifest, splits and recordings. Exit 1 and the names where anything differs.

    Example:

        avbuild verify data/urbansound8k-av
    """
    from avbuild.storage import Folder
    from avbuild.verify import verify as verify_folder

    build, problems, notes = verify_folder(Folder(folder))
    for note in notes:
        typer.echo(f"note: {note}")
    if problems:
        raise UserError(f"{folder}: {len(problems)} problems\n{listed(problems, most=200)}")
    shards = sum(len(made.shards) for record in build.scenarios.values() for made in record.splits.values())
    typer.echo(f"{folder}: sound; {len(build.scenarios)} scenarios in {shards} shards, every hash as it was written")


@app.command()
def replay(
    sample: Annotated[str, typer.Option("--id", help="The sample's id.")],
    scenario: Annotated[str, typer.Option(help="A scenario that is on disk.")],
    data: Annotated[str | None, typer.Option(help="The data set.", show_default="the one under data/")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that gets the files.", show_default="none written")] = None,
) -> None:
    """Make one corrupted sample again from its `corruption` column alone, and compare it with the one on disk.

    Example:

        avbuild replay --id 100032-3-0-0 --scenario D --data data/urbansound8k-av --out replayed/
    """
    from avbuild.build_record import read_build
    from avbuild.replay import replay as replay_sample
    from avbuild.storage import Folder

    folder = Folder(data or _only_data_set())
    done = replay_sample(folder, read_build(folder), scenario, sample)
    typer.echo(f"{sample}: {done.stored['corruption']}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, row in (("clean", done.clean), (scenario, done.sample)):
            for cell in filter(None, (row["audio"], row["image"])):
                target = out / f"{sample}-{name}{Path(cell['path']).suffix}"
                target.write_bytes(cell["bytes"])
                typer.echo(f"written: {target}")
    if done.differs:
        raise UserError(
            f"{sample}: {', '.join(done.differs)} differ from those on disk; avbuild verify {folder} says whether the "
            "files are damaged or the library versions differ"
        )
    typer.echo(f"{sample}: bit for bit as on disk")


@app.command()
def preview(
    folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")],
    scenario: Annotated[str, typer.Option(help="One of its manifest's scenarios, or one that comes with avbuild.")],
    samples: Annotated[int, typer.Option(help="How many, spread over the classes.", min=1, max=100)] = 6,
    out: Annotated[Path | None, typer.Option(help="The page.", show_default="preview-NAME-SCENARIO.html")] = None,
) -> None:
    """Write one HTML page to see and hear a scenario, severity across and samples down, and a PNG contact sheet.

    Example:

        avbuild preview data/urbansound8k-av --scenario D
    """
    from avbuild.corrupt import Corruptions, plan_corruptions
    from avbuild.preview import contact_sheet, preview_rows, render_page
    from avbuild.storage import Folder

    data = Folder(folder)
    build, manifest, (name,) = plan_corruptions(data, Corruptions((scenario,)))
    rows = preview_rows(data, build, manifest, name, samples)
    page = out or Path(f"preview-{build.name}-{name}.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render_page(f"{build.title}: {name}", rows), encoding="utf-8")
    page.with_suffix(".png").write_bytes(contact_sheet(rows))
    size = page.stat().st_size / 1e6
    typer.echo(f"written: {page} ({size:.1f} MB, open it in a browser) and {page.with_suffix('.png')}")
    typer.echo(f"next: avbuild corrupt --scenario {name}" + _data_option(folder))


@app.command()
def card(folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")]) -> None:
    """Write a data set's card (README.md) and Croissant metadata (croissant.json) anew, from what `build.json` records.

    Example:

        avbuild card data/urbansound8k-av
    """
    from avbuild.build_record import read_build
    from avbuild.card import card_files, write_card
    from avbuild.manifest_file import load_manifest
    from avbuild.storage import Folder

    data = Folder(folder)
    build = read_build(data)
    manifest = load_manifest(data.path("manifest.yaml")).model_copy(update={"dataset": "."})
    write_card(data, build, manifest)
    typer.echo(f"written: {', '.join(data.path(name) for name in card_files(build, manifest))}")
    typer.echo(f"next: avbuild verify {folder}")


@app.command()
def push(
    folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")],
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face Hub.")],
    public: Annotated[bool, typer.Option("--public", help="For everyone to see: mind the sources' licences.")] = False,
) -> None:
    """Send a data set to the Hub, byte for byte, after verifying it. Private unless you say otherwise.

    Example:

        avbuild push data/urbansound8k-av you/urbansound8k-av
    """
    from avbuild.build_record import read_build
    from avbuild.push import push as send
    from avbuild.storage import Folder

    data = Folder(folder)
    for source in read_build(data).sources:
        typer.echo(f"{source.role}: {source.name}, {source.licence}")
    typer.echo(f"sent: {send(data, repository, public)}")
    typer.echo(f'next: datasets.load_dataset("{repository}", "C")')


@app.command()
def inspect(folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")]) -> None:
    """Print what is in a data set: scenarios, splits, classes, sources, versions.

    Example:

        avbuild inspect data/urbansound8k-av
    """
    from avbuild.inspect_data_set import describe
    from avbuild.storage import Folder

    describe(Folder(folder))


@app.command(name="list")
def list_builders() -> None:
    """Show the data sets that can be made, what each needs and its licence."""
    from avbuild.inspect_data_set import list_builders as show

    show()


@app.command()
def scenarios(
    manifest: Annotated[str | None, typer.Argument(help="A manifest, to show its scenarios too.")] = None,
) -> None:
    """Show every corruption with its strengths, and the scenarios of a manifest.

    Example:

        avbuild scenarios manifests/demo.yaml
    """
    from avbuild.inspect_data_set import list_corruptions

    list_corruptions(manifest)


def main() -> None:
    """The program."""
    run_program(app, when_stopped="the same command finishes the rest")
