"""Commands that show what there is: `inspect`, `preview`, `replay`, `list`, `scenarios`."""

from pathlib import Path
from typing import Annotated

import typer

from avbuild.commands.data_sets import data_option, only_data_set
from avbuild.errors import UserError


def inspect(folder: Annotated[str, typer.Argument(help="A data set, e.g. data/urbansound8k-av.")]) -> None:
    """Print what is in a data set: scenarios, splits, classes, sources, versions.

    Example:

        avbuild inspect data/urbansound8k-av
    """
    from avbuild.dataset.storage import Folder
    from avbuild.inspect.describe import describe

    describe(Folder(folder))


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
    from avbuild.dataset.storage import Folder, write_whole
    from avbuild.inspect.preview import contact_sheet, preview_rows, render_page
    from avbuild.pipeline.corrupt import CorruptRequest, plan_corruptions

    data = Folder(folder)
    build, manifest, (name,) = plan_corruptions(data, CorruptRequest((scenario,)))
    rows = preview_rows(data, build, manifest, name, samples)
    page = out or Path(f"preview-{build.name}-{name}.html")
    write_whole(page, render_page(f"{build.title}: {name}", rows))
    write_whole(page.with_suffix(".png"), contact_sheet(rows))
    size = page.stat().st_size / 1e6
    typer.echo(f"written: {page} ({size:.1f} MB, open it in a browser) and {page.with_suffix('.png')}")
    typer.echo(f"next: avbuild corrupt --scenario {name}" + data_option(folder))


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
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.rows import cells_of, encoded_files
    from avbuild.dataset.storage import Folder, write_whole
    from avbuild.inspect.replay import replay as replay_sample

    folder = Folder(data or only_data_set())
    done = replay_sample(folder, read_build(folder), scenario, sample)
    typer.echo(f"{sample}: {done.stored['corruption']}")
    if out is not None:
        for name, row in (("clean", done.clean), (scenario, done.sample)):
            for cell in cells_of(row).values():
                for number, file in enumerate(encoded_files(cell)):
                    frame = f"-{number}" if isinstance(cell, list) else ""
                    target = out / f"{sample}-{name}{frame}{Path(file['path']).suffix}"
                    write_whole(target, file["bytes"])
                    typer.echo(f"written: {target}")
    if done.differs:
        raise UserError(
            f"{sample}: {', '.join(done.differs)} differ from those on disk; avbuild verify {folder} says whether the "
            "files are damaged or the library versions differ"
        )
    typer.echo(f"{sample}: bit for bit as on disk")


def list_builders() -> None:
    """Show the data sets that can be made, what each needs and its licence."""
    from avbuild.inspect.describe import list_builders as show

    show()


def scenarios(
    manifest: Annotated[str | None, typer.Argument(help="A manifest, to show its scenarios too.")] = None,
) -> None:
    """Show every corruption with its strengths, and the scenarios of a manifest.

    Example:

        avbuild scenarios manifests/demo.yaml
    """
    from avbuild.inspect.describe import list_corruptions

    list_corruptions(manifest)
