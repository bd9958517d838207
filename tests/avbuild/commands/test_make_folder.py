"""`avbuild make folder` by real commands: the user's name, title and text, and a data set like any other."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import AVBUILD, avbuild, fail, rows, succeed
from tests.support.own_files import write_classes


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return write_classes(tmp_path / "wav", ".wav"), write_classes(tmp_path / "jpg", ".jpg", start=200)


def make(out: Path, *arguments: object, name: str = "mine") -> Path:
    succeed("make", "folder", "--name", name, *arguments, "--out", out, "--workers", 1)
    return out / name


def build_of(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "build.json").read_text())
    return found


def test_the_result_bears_the_users_name_title_and_text(folders: tuple[Path, Path], tmp_path: Path) -> None:
    audio, image = folders
    words = ("--title", "My *own* data", "--description", "Taken by me.", "--license", "CC BY 4.0")
    data = make(tmp_path / "out", "--audio", audio, "--image", image, "--pair", "stem", *words)
    build, card = build_of(data), (data / "README.md").read_text()
    assert (build["name"], build["title"], build["description"]) == ("mine", "My *own* data", "Taken by me.")
    assert [source["licence"] for source in build["sources"]] == ["CC BY 4.0"] * 2
    assert "# My &#42;own&#42; data\n\nTaken by me.\n" in card
    assert "CIFAR" not in card + (data / "manifest.yaml").read_text() + (data / "croissant.json").read_text()
    assert "intact" in succeed("verify", data)
    assert "My *own* data" in succeed("inspect", data)
    succeed("corrupt", "--scenario", "D", "--data", data, "--workers", 1)
    assert "intact" in succeed("verify", data)
    assert build_of(data)["description"] == "Taken by me."


def test_the_screen_counts_pairs_and_what_has_no_partner(folders: tuple[Path, Path], tmp_path: Path) -> None:
    audio, image = folders
    (image / "dog" / "0003.jpg").unlink()
    arguments = ("--audio", audio, "--image", image, "--pair", "stem", "--out", tmp_path / "out", "--workers", 1)
    result = avbuild("make", "folder", "--name", "mine", *arguments)
    assert "paired by name: 23 samples; without a partner and left out: 1 audio clips and 0 images" in result.stderr
    assert "mine: 23 pairs, 1 left out" in result.stdout
    left_out = build_of(tmp_path / "out" / "mine")["left_out"]
    assert left_out == [{"path": "dog/0003.wav", "what": "no image with this name in class dog"}]


def test_pairs_by_index_are_announced_with_their_classes(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "wav", ".wav", ("bark", "meow"))
    image = write_classes(tmp_path / "jpg", ".jpg", ("cat", "dog"), start=200)
    arguments = ("--audio", audio, "--image", image, "--out", tmp_path / "out", "--workers", 1)
    assert "no class of audio is a class of image" in fail(
        "make", "folder", "--name", "mine", *arguments, "--pair", "class"
    )
    assert not (tmp_path / "out").exists()
    result = avbuild("make", "folder", "--name", "mine", *arguments, "--pair", "index")
    assert "bark with cat; meow with dog" in result.stderr
    card = (tmp_path / "out" / "mine" / "README.md").read_text()
    assert "class index (no label fits)" in card


def test_the_published_data_sets_also_stop_where_no_class_fits(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "wav", ".wav", ("bark", "meow"))
    image = write_classes(tmp_path / "jpg", ".jpg", ("cat", "dog"), start=200)
    command = ("make", "cifar10-av", "--audio-root", audio, "--images", f"folder:{image}", "--out", tmp_path / "out")
    assert "no class fits any class of the other modality: cat, dog; and bark, meow" in fail(*command, "--workers", 1)
    assert not (tmp_path / "out").exists()
    result = avbuild(*command, "--pair", "index", "--workers", 1)
    assert result.exit_code == 0
    assert "cat with bark; dog with meow" in result.stderr
    assert "--pair stem goes with avbuild make folder" in fail(*command, "--pair", "stem")


@pytest.mark.parametrize(("modality", "letter"), [("audio", "A"), ("image", "V")])
def test_one_modality_alone_is_a_data_set(
    modality: str, letter: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = folders[modality == "image"]
    data = make(tmp_path / "out", f"--{modality}", folder)
    assert [key for key in rows(data, "C")[0] if key.endswith("_missing")] == [f"{modality}_missing"]
    succeed("corrupt", "--scenario", letter, "--data", data, "--workers", 1)
    assert "intact" in succeed("verify", data)
    assert "24 samples in 2 classes" in (data / "README.md").read_text()
    succeed("inspect", data)
    succeed("preview", data, "--scenario", letter, "--samples", 2, "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("<audio") == (12 if modality == "audio" else 0)


def test_audio_image_and_video_are_three_columns(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("av")
    from tests.support.crema_d import encoded, moving_square

    for name in ("cat", "dog"):
        for index in range(12):
            path = tmp_path / "mp4" / name / f"{index:04d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(moving_square(f"{name}{index}", 12), "mp4", "mpeg4"))
    audio, image = folders
    three = ("--audio", audio, "--image", image, "--video", tmp_path / "mp4", "--pair", "stem")
    data = make(tmp_path / "out", *three)
    assert {"audio", "image", "video"} <= set(rows(data, "C")[0])
    succeed("corrupt", "--scenario", "D,rain", "--data", data, "--workers", 1)
    assert "intact" in succeed("verify", data)
    done = json.loads(rows(data, "rain")[0]["corruption"])
    assert {"audio", "image", "video"} <= set(done)
    succeed("preview", data, "--scenario", "D", "--samples", 2, "--out", tmp_path / "page.html")
    assert "and no image, and no video" in (data / "README.md").read_text()


def test_given_splits_with_copies_across_them_are_marked_as_leaky(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "wav", ".wav", splits=("train", "val", "test"))
    shutil.copy(audio / "train" / "dog" / "0001.wav", audio / "test" / "dog" / "again.wav")
    result = avbuild("make", "folder", "--name", "mine", "--audio", audio, "--out", tmp_path / "out", "--workers", 1)
    build = build_of(tmp_path / "out" / "mine")
    assert build["leaky"] is True
    assert "test/dog/again = train/dog/0001" in build["notes"][-1]
    assert "Leaky: 1 recordings stand in more than one split" in result.stderr
    assert "Leaky split" in (tmp_path / "out" / "mine" / "README.md").read_text()
    (audio / "test" / "dog" / "again.wav").unlink()
    assert build_of(make(tmp_path / "clean", "--audio", audio))["leaky"] is False


def test_the_same_command_again_keeps_what_is_finished_and_takes_a_new_title(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    command = ("--audio", folders[0], "--image", folders[1], "--pair", "class")
    data = make(tmp_path / "out", *command)
    before = {path: path.stat().st_mtime_ns for path in data.glob("C/*.parquet")}
    succeed("card", data, "--date-published", "2026-11-30")
    make(tmp_path / "out", *command, "--title", "New")
    assert {path: path.stat().st_mtime_ns for path in data.glob("C/*.parquet")} == before
    assert (build_of(data)["title"], build_of(data)["date_published"]) == ("New", "2026-11-30")
    other = fail("make", "folder", "--name", "mine", *command[:4], "--pair", "stem", "--out", tmp_path / "out")
    assert "holds another build" in other


@pytest.mark.parametrize("name", ["../x", "a b", "", ".hidden", "ü"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str, folders: tuple[Path, Path]) -> None:
    assert "--name" in fail("make", "folder", "--name", name, "--audio", folders[0])


def test_a_doubtful_layout_ends_with_a_few_lines_and_exit_code_1(tmp_path: Path) -> None:
    import subprocess

    audio = write_classes(tmp_path / "wav", ".wav", splits=("train", "test", ""))
    command = [*AVBUILD, "make", "folder", "--name", "mine", "--audio", str(audio), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hold folders, as splits do, but cat/ and dog/ beside them" in done.stderr
    assert len(done.stderr.splitlines()) < 10
    assert not (tmp_path / "out").exists()
