"""Files that tables of a user's own name."""

from pathlib import Path

import pytest

from tests.support.own_files import write_media


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a/00.wav to 29, and i/00.png to 29; add tables, change no file."""
    root = tmp_path_factory.mktemp("table")
    for k in range(30):
        write_media(root / f"a/{k:02d}.wav", k)
        write_media(root / f"i/{k:02d}.png", k)
    return root
