"""`avbuild make kinetics-sounds`: the list decides; audio from the video's own track or a file beside it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbuild.modalities.audio import read_audio
from avbuild.sources.kinetics_lists import read_clips
from avbuild.sources.video_audio import AudioOfVideo
from tests.support.commands import fail, rows, succeed
from tests.support.own_files import write_media
from tests.support.published_trees import film

pytest.importorskip("av")
SPLITS = ("train", "validation", "test")
CLASSES = ("playing_drums", "tapping pen")


def clips(count: int = 14) -> list[tuple[str, str]]:
    """Name and class: clips 0 and 1 are of one video."""
    return [(f"vid{max(k, 1):08d}_{k:06d}_{k + 10:06d}", CLASSES[k % 2]) for k in range(count)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kinetics videos in class folders with sound, lists of OGM-GE in lists/; do not change it."""
    root = tmp_path_factory.mktemp("kinetics")
    for name, label in clips():
        path = root / "train" / label / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(film(name, sound=True))
    (root / "lists").mkdir()
    for split, part in (("train", slice(1, 10)), ("test", (slice(10, 14)))):
        lines = [f"{name},10,{label}" for name, label in clips()[part]]
        lines += [f"{clips()[0][0]},10,{CLASSES[0]}"] * (split == "test")
        (root / "lists" / f"my_{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def make(root: Path, out: Path, *more: object) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    succeed("make", "kinetics-sounds", "--root", root, "--out", out, "--workers", 1, *more)
    folder = out / "kinetics-sounds"
    found = {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}
    return found, json.loads((folder / "build.json").read_text())


def test_the_audio_track_of_a_video_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(film("a", sound=True))
    samples = read_audio(AudioOfVideo(str(tmp_path / "a.mp4")).read())
    assert abs(len(samples) - 16_000) < 2_100  # AAC adds a frame at each end
    spectrum = np.abs(np.fft.rfft(samples))
    expected = 16_000 * (0.1 + ord("a") % 7 / 10) / (2 * np.pi)
    assert abs(np.argmax(spectrum) * 16_000 / len(samples) - expected) < 10
    (tmp_path / "b.mp4").write_bytes(film("b"))
    with pytest.raises(OSError, match="no audio track"):
        AudioOfVideo(str(tmp_path / "b.mp4")).read()
    (tmp_path / "c.mp4").write_bytes(film("c", sound=True)[:-400])
    with pytest.raises(OSError, match="audio track"):
        AudioOfVideo(str(tmp_path / "c.mp4")).read()


def test_clips_of_the_list_by_video(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path, "--list", root / "lists")
    assert found.keys() == {name for name, _ in clips()}
    assert all(row["audio"] and len(row["video"]) == 1 for row in found.values())
    one, two = found[clips()[0][0]], found[clips()[1][0]]
    assert one["group"] == two["group"] == "vid00000001"
    assert one["in"] == two["in"]
    assert build["classes"] == list(CLASSES)
    notes = "\n".join(build["notes"])
    assert "2 classes, as the list has them (published lists have 31 to 34): playing_drums, tapping pen." in notes
    assert "the audio of 14 of 14 clips is the audio track" in notes
    assert not build["leaky"]
    assert "every hash matches" in succeed("verify", tmp_path / "kinetics-sounds")


def test_the_published_lists_are_a_split(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path, "--list", root / "lists", "--split", "published")
    in_test = {name for name, _ in [clips()[0], *clips()[10:]]}
    assert {id for id, row in found.items() if row["in"] == "test"} == in_test
    assert build["leaky"]  # clips 0 and 1 are of one video
    message = fail(
        "make", "kinetics-sounds", "--root", root, "--list", root / "lists" / "my_train.txt", "--split", "published"
    )
    assert "give the folder of a train and a test list" in message


def test_a_file_beside_the_video_is_its_audio(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "k")
    name, label = clips()[4]
    wav = write_media(tmp_path / "k" / "train" / label / f"{name}.wav", 7)
    found, build = make(tmp_path / "k", tmp_path / "out", "--list", tmp_path / "k" / "lists")
    assert any("the audio of 13 of 14 clips" in note for note in build["notes"])
    stored = read_audio(found[name]["audio"]["bytes"])
    assert np.array_equal(stored, read_audio(wav.read_bytes()))


def test_clips_that_are_not_there_and_odd_lines_are_named(root: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.csv"
    lines = [f"{name},{label}" for name, label in clips()]
    lines += ["gone_000001_000001_000011,tapping pen", "nonsense,1,x", lines[2]]
    listing.write_text("\n".join(lines))
    message = fail("make", "kinetics-sounds", "--root", root, "--list", listing, "--out", tmp_path, "--workers", 1)
    assert "list.csv line 15 (gone_000001_000001_000011): not there" in message
    assert "line 16: not a clip: 'nonsense,1,x'" in message
    assert "line 17: listed twice" in message
    assert "1 of 15 listed clips are not there" in message
    found, _ = make(root, tmp_path, "--list", listing, "--skip-bad")
    assert len(found) == 14


def test_the_columns_of_kinetics_under_a_header(tmp_path: Path) -> None:
    path = tmp_path / "kinetics.csv"
    path.write_text("label,youtube_id,time_start,time_end,split\ntapping pen,-abcdefghi_,5,15,train\n")
    (clip,), problems = read_clips(path, follow=False)
    assert (clip.name, clip.video, clip.label) == ("-abcdefghi__000005_000015", "-abcdefghi_", "tapping pen")
    assert not problems


def test_root_and_list_are_needed(tmp_path: Path) -> None:
    assert "--root kinetics/ --list FILE" in fail("make", "kinetics-sounds", "--out", tmp_path)
    (tmp_path / "train.txt").write_text("a")
    message = fail("make", "kinetics-sounds", "--root", tmp_path, "--list", tmp_path, "--out", tmp_path)
    assert "needs one file with test in its name" in message
