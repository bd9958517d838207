"""`avbuild make ravdess`: names, actors, speech and song, and videos where they are there."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import fail, rows, succeed
from tests.support.published_trees import write_ravdess

SPLITS = ("train", "validation", "test")
EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audio of ten actors; do not change it."""
    return write_ravdess(tmp_path_factory.mktemp("ravdess") / "RAVDESS")


def make(root: Path, out: Path, *more: object) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    succeed("make", "ravdess", "--root", root, "--out", out, "--workers", 1, *more)
    folder = out / "ravdess"
    found = {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}
    return found, json.loads((folder / "build.json").read_text())


def test_speech_by_actor(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path)
    assert len(found) == 80
    assert build["classes"] == EMOTIONS
    row = found["01-05-01-01-01-07"]
    assert (row["label"], row["group"]) == (EMOTIONS.index("angry"), "actor07")
    assert "video" not in row
    split_of: dict[str, str] = {}
    assert all(split_of.setdefault(row["group"], row["in"]) == row["in"] for row in found.values())
    assert {entry["what"] for entry in build["left_out"]} == {"not used: song, which --vocal song or both adds"}
    assert any("80 of 1,440 published clips of speech" in note for note in build["notes"])
    card = (tmp_path / "ravdess" / "README.md").read_text()
    assert "CC BY-NC-SA 4.0" in card
    assert "none of the 10 actors is in two splits" in card


def test_song_and_both(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path, "--vocal", "song")
    assert len(found) == 10
    assert build["classes"] == ["happy"]
    both, _ = make(root, tmp_path / "both", "--vocal", "both")
    assert len(both) == 90


def test_videos_are_paired_with_their_audio(tmp_path: Path) -> None:
    pytest.importorskip("av")
    root = write_ravdess(tmp_path / "RAVDESS", (1, 2, 3), videos=True)
    videos = root / "Video_Speech_Actor_01" / "Actor_01"
    (videos / "01-01-01-01-01-01-01.mp4").unlink()  # the one without sound takes its place
    for kind in ("01", "02"):
        (videos / f"{kind}-01-02-01-01-01-01.mp4").unlink()
    (root / "Audio_Speech_Actors_01-24" / "Actor_02" / "03-01-01-01-01-01-02.wav").unlink()
    message = fail("make", "ravdess", "--root", root, "--out", tmp_path / "out", "--workers", 1)
    assert "no video: the clip's .mp4 is missing" in message
    assert "no audio: the clip's .wav is missing" in message
    found, build = make(root, tmp_path / "out", "--skip-bad", "--fps", 2, "--split", "random70")
    assert len(found) == 22
    assert all(len(row["video"]) == 2 and row["audio"] for row in found.values())
    assert any("2 frames a second" in note for note in build["notes"])


def test_files_of_other_names_and_places_are_named(tmp_path: Path) -> None:
    root = write_ravdess(tmp_path / "RAVDESS", (1, 2, 3))
    actor = root / "Audio_Speech_Actors_01-24" / "Actor_01"
    shutil.copytree(actor, root / "audio_speech_actors_01-24" / "Actor_01")  # as one mirror has them: twice
    (actor / "song.wav").write_bytes(b"x")
    shutil.move(actor / "03-01-08-01-01-01-01.wav", actor.parent / "Actor_02")
    (root / "audio_speech_actors_01-24" / "Actor_01" / "03-01-08-01-01-01-01.wav").unlink()
    message = fail("make", "ravdess", "--root", root, "--out", tmp_path / "out")
    assert "song.wav: not named like a clip" in message
    assert "not in the folder of its actor: Actor_02" in message
    assert message.count("\n") < 8  # the second copies are no problem
    assert "looked for Actor_01/" in fail("make", "ravdess", "--root", tmp_path / "out", "--out", tmp_path / "out2")
