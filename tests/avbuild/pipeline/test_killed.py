"""A `make` or `corrupt` that ended at any of its writes: the same command again gives the whole data set."""

import shutil
from pathlib import Path

import pytest

from avbuild.dataset.storage import Folder
from tests.support.commands import avbuild, fail, succeed, tree


class Killed(BaseException):
    """End of the process, in a test."""


def kill_at(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command end before one of its writes.

    Args:
        write: number of the write, from 0.
    """
    whole, count = Folder.write, iter(range(1_000))

    def stop(folder: Folder, name: str, data: bytes) -> None:
        if next(count) == write:
            raise Killed
        whole(folder, name, data)

    monkeypatch.setattr(Folder, "write", stop)


def was_killed(*arguments: object) -> bool:
    """Run a command, and return whether it was killed."""
    try:
        avbuild(*arguments)
    except Killed:
        return True
    return False


def make(place: Path) -> tuple[object, ...]:
    return ("make", "demo-av", "--limit", 20, "--out", place, "--workers", 1)


def corrupt(place: Path) -> tuple[object, ...]:
    splits = ("--splits", "test,train")
    return ("corrupt", "--scenario", "V", *splits, "--data", place / "demo-av", "--workers", 1)


@pytest.mark.parametrize("command", [make, corrupt])
def test_the_restart_ends_with_files_that_agree(command: object, tmp_path: Path) -> None:
    start, place = tmp_path / "start", tmp_path / "place"
    start.mkdir()
    if command is corrupt:
        succeed(*make(start))
    arguments = make(place) if command is make else corrupt(place)
    shutil.copytree(start, place)
    succeed(*arguments)
    expected = tree(place)
    for write in range(20):
        shutil.rmtree(place)
        shutil.copytree(start, place)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(write, patch)
            killed = was_killed(*arguments)
        succeed(*arguments)
        assert tree(place) == expected, f"killed before write {write}"
        if not killed:
            assert write > 5
            break
    else:
        raise AssertionError("never ran to its end")
    assert "intact" in succeed("verify", place / "demo-av")


def test_a_removed_build_json_loses_no_scenario(tmp_path: Path) -> None:
    """As the error about a damaged one advises."""
    succeed(*make(tmp_path))
    manifest = tmp_path / "demo-av" / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "  M: {image: missing}\n")
    succeed("corrupt", "--scenario", "M", "--data", tmp_path / "demo-av", "--workers", 1)
    expected = tree(tmp_path)
    (tmp_path / "demo-av" / "build.json").unlink()
    succeed(*make(tmp_path))
    succeed("corrupt", "--scenario", "M", "--data", tmp_path / "demo-av", "--workers", 1)
    assert tree(tmp_path) == expected


@pytest.mark.parametrize("name", ["README.md", "croissant.json", "manifest.yaml"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    succeed(*make(tmp_path))
    data = tmp_path / "demo-av"
    (data / name).unlink()
    (data / name).mkdir()
    before = tree(data)
    assert name in fail(*corrupt(tmp_path))
    assert tree(data) == before
