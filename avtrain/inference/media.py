"""Files of one sample, read as a data set would store them."""

from collections.abc import Mapping
from pathlib import Path

from avbuild.errors import UsageError, UserError
from avbuild.modalities.base import Unreadable
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.text import encode_text, read_text
from avbuild.modalities.video_frames import FPS
from avtrain.data.samples import Media


def read_media(files: Mapping[str, Path | str]) -> dict[str, Media]:
    """Read files as a data set would store them: audio as 16 kHz mono FLAC, an image's own bytes, frames as PNG.

    Of a video one frame a second is taken, the default of `avbuild make`; its audio track is not read.

    Args:
        files: by modality; a str is a text itself.

    Raises:
        UsageError: there are no files.
        UserError: names the file that is absent or cannot be read.
    """
    if not files:
        raise UsageError(
            "nothing to predict from: give --audio FILE, --image FILE, --video FILE, --text FILE, or several"
        )
    return {m: encode_text(take_text(file)) if isinstance(file, str) else _read(m, file) for m, file in files.items()}


def take_text(text: str) -> str:
    """Return a text as a data set would hold it, in NFC.

    Raises:
        UsageError: it is none, such as one with NUL characters.
    """
    try:
        return read_text(encode_text(text))
    except (UnicodeEncodeError, Unreadable) as error:
        raise UsageError(f"text: cannot be used: {error}") from error


def _read(modality: str, path: Path) -> Media:
    if not path.is_file():
        raise UserError(f"{path}: no such file (--{modality})")
    record = MODALITIES[modality]
    try:
        stored = record.store(path.read_bytes(), FPS)
    except (OSError, Unreadable) as error:
        raise UserError(f"{path}: cannot be read as {modality}: {error}") from error
    return tuple(stored) if record.framewise else stored[0]
