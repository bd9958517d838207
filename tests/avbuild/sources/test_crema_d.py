"""`avbuild make crema-d`: the published tree, published lists, and errors in them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from avbuild.modalities.base import Unreadable
from avbuild.modalities.video_frames import read_frames
from tests.conftest import REPOSITORY
from tests.support.commands import fail, rows, succeed, tree
from tests.support.crema_d import POINTER, RATE, encoded, moving_square, write_crema_d

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CREMA-D of ten actors; do not change it."""
    return write_crema_d(tmp_path_factory.mktemp("source") / "CREMA-D")


def make(root: Path, out: Path, *more: object) -> Path:
    succeed("make", "crema-d", "--audio-root", root, "--out", out, "--workers", 1, *more)
    return out / "crema-d"


def record(folder: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "build.json").read_text())
    return loaded


@pytest.mark.parametrize(("container", "codec"), [("flv", "flv"), ("mp4", "mpeg4"), ("mp4", "libx264")])
def test_frames_are_taken_at_the_middle_of_each_interval(container: str, codec: str) -> None:
    import av

    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    shown = moving_square("a", 26)
    for fps, times in ((1, (0.5, 1.5, 2.5)), (2, (0.25, 0.75, 1.25, 1.75, 2.25)), (0.1, (1.3,))):
        frames = read_frames(encoded(shown, container, codec), fps)
        assert frames.shape == (len(times), 48, 64, 3)
        assert frames.dtype == np.uint8
        for frame, time in zip(frames, times, strict=True):
            distances = [np.abs(frame.astype(int) - one).mean() for one in shown]
            assert int(np.argmin(distances)) == int(time * RATE)


def test_a_video_of_one_frame_is_read() -> None:
    assert read_frames(encoded(moving_square("a", 1)), 1).shape == (1, 48, 64, 3)


def test_damaged_and_truncated_videos_are_unreadable() -> None:
    whole = encoded(moving_square("a", 26))
    truncated = [whole[: round(len(whole) * part)] for part in np.linspace(0.02, 0.55, 40)]
    for damaged in (b"", b"RIFF" * 40, bytes(3_000), *truncated):
        with pytest.raises(Unreadable):
            read_frames(damaged, 1)


def test_a_file_without_video_is_unreadable(root: Path) -> None:
    with pytest.raises(Unreadable, match="holds no video"):
        read_frames(next((root / "AudioWAV").iterdir()).read_bytes(), 1)


def test_every_clip_becomes_a_row_with_its_actor_and_emotion(root: Path, tmp_path: Path) -> None:
    folder = make(root.parent, tmp_path, "--fps", 2)  # the folder around it
    found = {row["id"]: row for split in SPLITS for row in rows(folder, "C", split)}
    assert len(found) == 60
    row = found["1001_IEO_SAD_X"]
    columns = ["id", "audio", "video", "label", "group", "fold", "audio_missing", "video_missing", "corruption"]
    assert list(row) == columns
    assert (row["group"], row["label"], row["corruption"]) == ("1001", 5, "{}")
    assert [frame["path"] for frame in row["video"]] == ["1001_IEO_SAD_X-0.png", "1001_IEO_SAD_X-1.png"]
    split_of: dict[str, str] = {}
    for split in SPLITS:
        for row in rows(folder, "C", split):
            assert split_of.setdefault(row["group"], split) == split
    card = (folder / "README.md").read_text()
    for expected in (
        "none of the 10 actors",
        "audio clip and video",
        "ODbL",
        "video-classification",
        "2 frames a second",
    ):
        assert expected in card
    versions = record(folder)["versions"]
    assert isinstance(versions, dict)
    assert {"av", "libavcodec", "libavformat", "libswscale"} <= versions.keys()


def test_a_data_set_of_images_records_nothing_of_videos(small_data: Path) -> None:
    build = json.loads((small_data / "build.json").read_text())
    assert not {"av", "libavcodec"} & build["versions"].keys()
    assert not {"fps", "lists", "group"} & build["recipe"].keys()
    assert "video" not in (small_data / "croissant.json").read_text()


def test_unusable_files_are_reported_at_once_or_left_out_on_request(tmp_path: Path) -> None:
    root = write_crema_d(tmp_path / "CREMA-D", (1001, 1002))
    wav, flv = root / "AudioWAV", root / "VideoFlash"
    (wav / "1001_IEO_ANG_HI.wav").unlink()
    (flv / "1001_IEO_DIS_HI.flv").write_bytes(b"")
    (flv / "1001_IEO_FEA_HI.flv").write_bytes(POINTER)
    whole = (flv / "1001_IEO_HAP_HI.flv").read_bytes()
    (flv / "1001_IEO_HAP_HI.flv").write_bytes(whole[: len(whole) // 2])
    (wav / "1001_IEO_NEU_HI.wav").write_bytes(b"RIFF, then no audio")
    (wav / "1001-IEO.wav").write_bytes(b"x")
    (flv / "1001_IEO_JOY_HI.flv").write_bytes(b"x")
    (flv / "notes.txt").write_text("x")
    expected = {
        "AudioWAV/1001_IEO_ANG_HI.wav": "missing",
        "VideoFlash/1001_IEO_DIS_HI.flv": "empty",
        "VideoFlash/1001_IEO_FEA_HI.flv": "a Git-LFS pointer, not the file it stands for",
        "VideoFlash/1001_IEO_HAP_HI.flv": "unreadable: damaged or cut short",
        "AudioWAV/1001_IEO_NEU_HI.wav": "unreadable: ",
        "AudioWAV/1001-IEO.wav": "not named ActorID_Sentence_EMO_LEVEL.wav",
        "VideoFlash/1001_IEO_JOY_HI.flv": "not named ActorID_Sentence_EMO_LEVEL.flv",
        "VideoFlash/notes.txt": "not a .flv file",
    }
    message = fail("make", "crema-d", "--audio-root", root, "--out", tmp_path / "out", "--workers", 1)
    assert all(str(root / path) in message for path in expected)
    assert not (tmp_path / "out").exists()
    folder = make(root, tmp_path / "out", "--skip-bad")
    left_out = {file["path"]: file["what"] for file in record(folder)["left_out"]}  # type: ignore[attr-defined]
    assert left_out.keys() == expected.keys()
    assert all(left_out[path].startswith(what) for path, what in expected.items())
    assert sum(len(rows(folder, "C", split)) for split in SPLITS) == 7
    assert "intact" in succeed("verify", folder)


def test_a_tree_of_lfs_pointers_is_one_error_that_says_how_to_fetch(tmp_path: Path) -> None:
    root = write_crema_d(tmp_path / "CREMA-D", (1001,))
    for path in (root / "VideoFlash").iterdir():
        path.write_bytes(POINTER)
    message = fail("make", "crema-d", "--audio-root", root, "--out", tmp_path, "--skip-bad")
    assert "6 of 6 files in VideoFlash/ are Git-LFS pointers" in message
    assert 'git lfs pull --include "VideoFlash/*"' in message
    for path in (root / "AudioWAV").iterdir():
        path.write_bytes(POINTER)
    message = fail("make", "crema-d", "--audio-root", root, "--out", tmp_path)
    assert 'git lfs pull --include "AudioWAV/*,VideoFlash/*"' in message


def test_the_error_for_a_missing_corpus_says_how_to_get_it(root: Path, tmp_path: Path) -> None:
    message = fail("make", "crema-d", "--sources", tmp_path, "--out", tmp_path)
    assert f"git clone https://github.com/CheyneyComputerScience/CREMA-D {tmp_path}/CREMA-D" in message
    (tmp_path / "AudioWAV").mkdir()
    message = fail("make", "crema-d", "--audio-root", tmp_path, "--out", tmp_path)
    assert "no CREMA-D here, but AudioWAV; looked for AudioWAV/ and VideoFlash/" in message
    (tmp_path / "CREMA-D").symlink_to(root)
    assert "60 pairs" in succeed("make", "crema-d", "--sources", tmp_path, "--out", tmp_path, "--dry-run")


def test_the_error_without_pyav_names_the_extra(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    message = fail("make", "crema-d", "--audio-root", root, "--out", tmp_path)
    assert "pip install 'avbuild[video]'" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("crema-d", "--images", "folder:x", "--folds", "1,2"), "crema-d does not use --images and --folds"),
        (("demo-av", "--fps", "2"), "demo-av does not use --fps"),
        (("cifar10-av", "--lists", "x"), "cifar10-av does not use --lists"),
        (("crema-d", "--lists", "x", "--split", "random70"), "--lists and --split random70 exclude each other"),
    ],
)
def test_options_that_a_data_set_does_not_use_are_refused(arguments: tuple[str, ...], expected: str) -> None:
    assert expected in fail("make", *arguments)


def listed_names(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "VideoFlash").iterdir())


def write_lists(folder: Path, train: list[str], test: list[str]) -> Path:
    folder.mkdir()
    (folder / "train.csv").write_text("".join(f"{name},{name.split('_')[2]}\n" for name in train))
    (folder / "test.csv").write_text("".join(f"{name},{name.split('_')[2]}\n" for name in test))
    return folder


def test_published_lists_are_followed_and_labelled_leaky(root: Path, tmp_path: Path) -> None:
    names = listed_names(root)
    test, train = names[::4], [name for name in names[:-2] if name not in names[::4]]
    lists = write_lists(tmp_path / "lists", train, test)
    folder = make(root, tmp_path, "--lists", lists)
    ids = {split: [row["id"] for row in rows(folder, "C", split)] for split in SPLITS}
    assert set(ids["test"]) == set(test)
    assert set(ids["train"]) | set(ids["validation"]) == set(train)
    groups = {split: {name[:4] for name in ids[split]} for split in SPLITS}
    assert groups["validation"]
    assert not groups["train"] & groups["validation"]  # each actor is in one of them
    build = record(folder)
    assert build["leaky"] is True
    assert "published lists" in str(build["split"])
    assert "Leaky: 10 actors stand in more than one split." in build["notes"]  # type: ignore[operator]
    card = (folder / "README.md").read_text()
    assert "**Leaky split**: clips of one actor are in train and test." in card
    reasons = {Path(file["path"]).stem: file["what"] for file in build["left_out"]}  # type: ignore[attr-defined]
    assert reasons == {name: "in neither list" for name in names[-2:] if name not in test}
    assert "intact" in succeed("verify", folder)
    assert "leaky split" in succeed("inspect", folder)
    (lists / "train.csv").write_text(names[1] + "\n")
    message = fail("make", "crema-d", "--audio-root", root, "--out", tmp_path, "--lists", lists)
    assert "holds another build (lists:" in message


def test_lists_that_separate_the_actors_are_not_leaky(root: Path, tmp_path: Path) -> None:
    names = listed_names(root)
    lists = write_lists(
        tmp_path / "lists", [n for n in names if n[:4] != "1001"], [n for n in names if n[:4] == "1001"]
    )
    build = record(make(root, tmp_path, "--lists", lists))
    assert build["leaky"] is False


def test_lists_may_have_headers_suffixes_and_other_separators(root: Path, tmp_path: Path) -> None:
    from avbuild.sources.crema_d_lists import read_lists

    (tmp_path / "my_train.txt").write_text("\ufeff1001_DFA_ANG_XX.flv ANG\r\n\r\n1002_DFA_SAD_XX.wav\tSAD\r\n", "utf-8")
    (tmp_path / "my_test.txt").write_text("name,label\n1003_DFA_HAP_XX, HAP\n1004_DFA_NEU_XX\n")
    assert read_lists(tmp_path).splits == {
        "1001_DFA_ANG_XX": "train",
        "1002_DFA_SAD_XX": "train",
        "1003_DFA_HAP_XX": "test",
        "1004_DFA_NEU_XX": "test",
    }


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("1001_DFA_ANG_XX,HAP\n", "train.csv: line 1: '1001_DFA_ANG_XX,HAP' is not a clip with its own emotion"),
        ("1001_DFA_ANG_XX,ANG\nsome words\n", "train.csv: line 2: 'some words' is not a clip"),
        ("1009_DFA_ANG_XX,ANG\n1009_DFA_ANG_XX,ANG\n", "line 2: 1009_DFA_ANG_XX is already listed, in train"),
        ("name,label\n", "train.csv: lists no clip"),
    ],
)
def test_each_mistake_in_a_list_has_a_message_of_its_own(root: Path, tmp_path: Path, train: str, expected: str) -> None:
    lists = write_lists(tmp_path / "lists", [], listed_names(root)[:2])
    (lists / "train.csv").write_text(train)
    assert expected in fail("make", "crema-d", "--audio-root", root, "--out", tmp_path, "--lists", lists)


def test_missing_lists_and_missing_clips_are_named(root: Path, tmp_path: Path) -> None:
    where = ("make", "crema-d", "--audio-root", root, "--out", tmp_path)
    assert "needs one file with train in its name" in fail(*where, "--lists", tmp_path / "nothing")
    lists = write_lists(tmp_path / "lists", listed_names(root), ["1090_DFA_ANG_XX"])
    assert f"{lists / 'test.csv'}: lists 1090_DFA_ANG_XX, which is not there" in fail(*where, "--lists", lists)


def test_the_bytes_are_the_same_for_any_number_of_workers(root: Path, tmp_path: Path) -> None:
    first = make(root, tmp_path / "one")
    succeed("make", "crema-d", "--audio-root", root, "--out", tmp_path / "two", "--workers", 2)
    assert tree(first) == tree(tmp_path / "two" / "crema-d")


def test_the_shipped_manifest_equals_the_default_one(root: Path, tmp_path: Path) -> None:
    from avbuild.scenarios.manifest_file import load_manifest

    shipped = load_manifest(REPOSITORY / "manifests" / "cremad.yaml")
    made = load_manifest(make(root, tmp_path, "--limit", 12) / "manifest.yaml")
    assert Path(shipped.dataset).name == made.name == "crema-d"
    assert {s: shipped.scenario_hash(s) for s in "CAVD"} == {s: made.scenario_hash(s) for s in "CAVD"}
    labels = [row["label"] for split in SPLITS for row in rows(tmp_path / "crema-d", "C", split)]
    assert sorted(labels) == sorted([*range(6)] * 2)  # a limit takes equally many of each emotion
