"""Many unusable files, such as half a corpus: one screen, the whole list in a file, and the folds that are whole."""

import shutil
from pathlib import Path

import pytest

from avbuild.sources.whole_folds import advice_on_folds
from tests.conftest import write_urbansound8k
from tests.support.commands import fail, succeed
from tests.support.own_files import write_classes


def test_half_of_urbansound8k_is_one_screen_that_suggests_the_folds(tmp_path: Path, image_folder: Path) -> None:
    root = write_urbansound8k(tmp_path / "UrbanSound8K")
    shutil.rmtree(root / "audio" / "fold3")
    sources = ("--audio-root", root, "--images", f"folder:{image_folder}", "--out", tmp_path / "out", "--workers", 1)
    message = fail("make", "urbansound8k-av", *sources)
    assert len(message.splitlines()) < 24
    assert "fold3: 41 missing" in message
    assert message.count(".wav: missing") == 10
    assert "Folds 1,2 are whole: --folds 1,2 builds" in message
    listing = tmp_path / "out" / "urbansound8k-av.unusable.txt"
    assert f"The whole list: {listing}" in message
    assert len(listing.read_text().splitlines()) == 41
    assert all(line.endswith(".wav: missing") for line in listing.read_text().splitlines())
    succeed("make", "urbansound8k-av", *sources, "--folds", "1,2")
    assert not listing.exists()


def test_many_damaged_files_are_the_same_message(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "wav", ".wav", count=40)
    for number in range(30):
        (audio / "dog" / f"{number:04d}.wav").write_bytes(b"no audio, but not empty")
    command = ("make", "folder", "--name", "mine", "--audio", audio, "--out", tmp_path / "out", "--workers", 1)
    message = fail(*command)
    assert "30 unreadable" in message
    assert len(message.splitlines()) < 20
    listing = tmp_path / "out" / "mine.unusable.txt"
    assert len(listing.read_text().splitlines()) == 30
    listing.unlink()
    assert "The whole list" not in fail(*command, "--dry-run")
    assert not listing.exists()


@pytest.mark.parametrize(
    ("present", "missing", "advice"),
    [
        ([1, 2, 3], [], ""),
        ([1, 2], [3, 4], "Folds 1,2 are whole: --folds 1,2 builds"),
        ([1, 2, 3], [3], "Folds 1,2 are whole"),
        ([1, 3], [3], "Only fold 1 is whole"),
        ([3], [3, 4], ""),
    ],
)
def test_whole_folds_are_those_without_a_missing_file(present: list[int], missing: list[int], advice: str) -> None:
    found = advice_on_folds(present, missing)
    assert found.startswith(advice)
    assert bool(found) == bool(advice)
