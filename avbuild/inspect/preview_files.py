"""The files of a preview: the page, the contact sheet, and the audio beside a page that would be too large with it."""

import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from avbuild.dataset.storage import write_whole
from avbuild.errors import UsageError

SOFTWARE = "avbuild preview"  # in the files it writes, which it may then replace
GENERATOR = f'<meta name=generator content="{SOFTWARE}">'
AUDIO_NAME = r"[0-9]{3}-[0-9]{2}\.flac"


def audio_folder(page: Path) -> Path:
    """Return the folder for the audio of a page that does not hold it."""
    return page.with_name(f"{page.stem}-audio")


def write_audio(page: Path, files: Mapping[str, bytes]) -> None:
    """Write the audio beside a page, and remove that of an earlier page of this name.

    Args:
        page: HTML file.
        files: name -> FLAC.
    """
    folder = audio_folder(page)
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in files and re.fullmatch(AUDIO_NAME, path.name):
                path.unlink()
        if not files and not any(folder.iterdir()):
            folder.rmdir()
    for name, data in files.items():
        write_whole(folder / name, data)


def refuse_page(page: Path) -> None:
    """Raise UsageError where the preview page, or the contact sheet beside it, would replace another file.

    Args:
        page: HTML file to write; the contact sheet has the same name with `.png`.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {page}: the page is an HTML file; give a name that ends with .html")
    for path, ours in ((page, _is_page), (page.with_suffix(".png"), _is_sheet)):
        if path.exists() and not (path.is_file() and ours(path)):
            raise UsageError(
                f"--out {page}: {path} is there and was not written by avbuild preview; choose another name, or move it"
            )
    folder = audio_folder(page)
    if folder.exists() and not (folder.is_dir() and all(re.fullmatch(AUDIO_NAME, p.name) for p in folder.iterdir())):
        raise UsageError(
            f"--out {page}: {folder} is there and was not written by avbuild preview; choose another name, or move it"
        )


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(1024)


def _is_sheet(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == SOFTWARE
    except (OSError, ValueError, SyntaxError):  # not an image
        return False
