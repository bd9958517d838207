"""`avbuild preview`."""

from pathlib import Path
from typing import Annotated

import typer

from avbuild.commands.options import DataSetArgument, data_option, home, say
from avbuild.escaping import as_file_name


def preview(
    folder: DataSetArgument,
    scenario: Annotated[str, typer.Option(help="A scenario of the data set's manifest, or a scenario preset.")],
    samples: Annotated[int, typer.Option(help="Number of samples, spread over the classes.", min=1, max=100)] = 6,
    out: Annotated[Path | None, typer.Option(help="The HTML file.", show_default="preview-NAME-SCENARIO.html")] = None,
) -> None:
    """Write one HTML page to see and hear a scenario, and a PNG contact sheet.

    Each row is a sample, each column a severity.

    Example:

        avbuild preview data/urbansound8k-av --scenario D
    """
    from avbuild.dataset.storage import Folder, write_whole
    from avbuild.inspect.contact_sheet import contact_sheet
    from avbuild.inspect.preview import preview_rows
    from avbuild.inspect.preview_files import audio_folder, refuse_page, write_audio
    from avbuild.inspect.preview_page import render_page
    from avbuild.pipeline.corrupt import CorruptRequest, plan_corruptions

    page = home(out)
    if page is not None:
        refuse_page(page)
    data = Folder(folder)
    build, manifest, (name,) = plan_corruptions(data, CorruptRequest((scenario,)))
    rows = preview_rows(data, build, manifest, name, samples)
    if page is None:
        page = Path(f"preview-{as_file_name(build.name)}-{name}.html")
        refuse_page(page)
    rendered = render_page(f"{build.title}: {name}", rows, audio_folder(page).name)
    write_audio(page, rendered.audio)
    write_whole(page, rendered.html)
    write_whole(page.with_suffix(".png"), contact_sheet(rows))
    size = page.stat().st_size / 1e6
    beside = f", {audio_folder(page)}/" if rendered.audio else ""
    say(f"written: {page} ({size:.1f} MB, open it in a browser){beside} and {page.with_suffix('.png')}")
    say(f"next: avbuild corrupt --scenario {name}" + data_option(folder))
