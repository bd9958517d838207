"""`avbuild replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.commands.options import DataSetOption, home, only_data_set, say
from avbuild.errors import UsageError, UserError
from avbuild.escaping import as_file_name

if TYPE_CHECKING:
    from avbuild.dataset.rows import StoredSample


def replay(
    sample: Annotated[str, typer.Option("--id", help="The sample's id.")],
    scenario: Annotated[str, typer.Option(help="A corrupted scenario of the data set, already written.")],
    data: DataSetOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files of the sample.", show_default="no files are written")
    ] = None,
) -> None:
    """Create one corrupted sample again from its `corruption` column, and compare it with the stored one.

    With --out, the files of the clean and of the corrupted sample are written to a folder.

    Example:

        avbuild replay --id 100032-3-0-0 --scenario D --out replayed/
    """
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.storage import Folder
    from avbuild.inspect.replay import replay_sample

    folder = Folder(data or only_data_set())
    target = home(out)
    if target is not None and target.exists() and not target.is_dir():
        raise UsageError(f"--out {target}: a file is there; give a folder")
    found = replay_sample(folder, read_build(folder), scenario, sample)
    say(f"{sample}: {found.stored['corruption']}")
    if target is not None:
        _write_files(target, f"{as_file_name(sample)}-clean", found.clean)
        _write_files(target, f"{as_file_name(sample)}-{scenario}", found.replayed)
    if columns := found.differing_columns:
        raise UserError(
            f"{sample}: {', '.join(columns)} differ from the stored sample; avbuild verify {folder} tells whether the "
            "files are damaged or the library versions differ"
        )
    say(f"{sample}: identical to the stored sample, bit for bit")


def _write_files(folder: Path, stem: str, sample: "StoredSample") -> None:
    """Write the media of a sample: one file per modality, several for the frames of a video."""
    from avbuild.dataset.rows import cells_of, encoded_files
    from avbuild.dataset.storage import write_whole

    for cell in cells_of(sample).values():
        for number, file in enumerate(encoded_files(cell)):
            frame = f"-{number}" if isinstance(cell, list) else ""
            path = folder / f"{stem}{frame}.{as_file_name(Path(file['path']).suffix[1:])}"
            write_whole(path, file["bytes"])
            say(f"written: {path}")
