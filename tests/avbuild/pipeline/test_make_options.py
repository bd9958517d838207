"""`avbuild make` with other splits, layouts, limits and bad files."""

import json
from pathlib import Path

import soundfile

from tests.avbuild.pipeline.test_make import make
from tests.conftest import URBANSOUND8K, write_image_folder, write_urbansound8k
from tests.support.commands import fail, rows, succeed


def test_the_last_of_the_official_folds_is_the_test_split(
    urbansound8k: Path, image_folder: Path, tmp_path: Path
) -> None:
    folder = make(urbansound8k, image_folder, tmp_path, "--folds", "1,3", "--workers", 1)
    assert {row["fold"] for row in rows(folder, "C")} == {3}
    assert {row["fold"] for split in ("train", "validation") for row in rows(folder, "C", split)} == {1}
    # recording 1300 has a slice in each fold: only the one of the test fold is kept
    assert "1300" in {row["group"] for row in rows(folder, "C")}
    assert "1300" not in {row["group"] for split in ("train", "validation") for row in rows(folder, "C", split)}
    assert "verify" not in fail("verify", tmp_path)


def test_random70_is_labelled_leaky_everywhere(urbansound8k: Path, image_folder: Path, tmp_path: Path) -> None:
    folder = make(urbansound8k, image_folder, tmp_path, "--split", "random70", "--workers", 1)
    assert "Leaky split" in (folder / "README.md").read_text()
    assert "leaky split" in succeed("inspect", folder)
    assert json.loads((folder / "build.json").read_text())["leaky"] is True


def test_unusable_files_are_reported_at_once_or_left_out_on_request(image_folder: Path, tmp_path: Path) -> None:
    root = write_urbansound8k(tmp_path / "UrbanSound8K")
    clips = sorted((root / "audio").rglob("*.wav"))
    clips[0].unlink()
    clips[1].write_bytes(b"")
    clips[2].write_bytes(b"RIFF, then no audio")
    soundfile.write(root / "audio" / "fold1" / "9-9-9-9.wav", [0.0, 0.1], 16_000)
    out = tmp_path / "out"
    message = fail("make", "urbansound8k-av", "--audio-root", root, "--images", f"folder:{image_folder}", "--out", out)
    for clip in (*clips[:3], root / "audio" / "fold1" / "9-9-9-9.wav"):
        assert str(clip) in message
    assert "--skip-bad" in message
    assert not out.exists()

    folder = make(root, image_folder, out, "--skip-bad", "--workers", 1)
    left_out = {file["path"] for file in json.loads((folder / "build.json").read_text())["left_out"]}
    assert {Path(path).name for path in left_out} == {clip.name for clip in clips[:3]} | {"9-9-9-9.wav"}
    assert all(not path.startswith("/") for path in left_out)
    card = (folder / "README.md").read_text()
    assert all(clip.name in card for clip in clips[:3])
    assert sum(len(rows(folder, "C", split)) for split in ("train", "validation", "test")) == 117
    assert "intact" in succeed("verify", folder)


def test_cifar10_av_stores_a_shared_clip_once(urbansound8k: Path, tmp_path: Path) -> None:
    images = tmp_path / "cifar"
    for split, count in (("train", 30), ("test", 10)):
        write_image_folder(images / split, count)
    succeed("make", "cifar10-av", "--audio-root", urbansound8k, "--images", f"folder:{images}", "--out", tmp_path)
    folder = tmp_path / "cifar10-av"
    all_rows = {split: rows(folder, "C", split) for split in ("train", "validation", "test")}
    assert {split: len(found) for split, found in all_rows.items()} == {"train": 270, "validation": 30, "test": 100}
    clips = {split: {row["audio"]["path"] for row in found} for split, found in all_rows.items()}
    assert (
        not clips["train"] & clips["test"] | clips["train"] & clips["validation"] | clips["test"] & clips["validation"]
    )
    distinct = {row["audio"]["bytes"] for row in all_rows["train"]}
    stored = sum(path.stat().st_size for path in folder.glob("C/train-*.parquet"))
    image_bytes = sum(len(row["image"]["bytes"]) for row in all_rows["train"])
    assert stored < sum(map(len, distinct)) * 1.1 + image_bytes + 400 * 270
    assert "intact" in succeed("verify", folder)


def test_make_reads_the_kaggle_layout(tmp_path: Path, urbansound8k: Path) -> None:
    from PIL import Image

    root = tmp_path / "release"
    for clip in sorted((urbansound8k / "audio").rglob("*.wav")):
        label = URBANSOUND8K[int(clip.name.split("-")[1])]
        for side in ("sound", "vision"):
            (root / f"Dataset_v3_{side}" / label).mkdir(parents=True, exist_ok=True)
        (root / "Dataset_v3_sound" / label / clip.name).write_bytes(clip.read_bytes())
        Image.new("RGB", (8, 8), (int(clip.name.split("-")[1]) * 20, 0, 0)).save(
            root / "Dataset_v3_vision" / label / f"{clip.stem}.jpg"
        )
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "UrbanSound8K").symlink_to(urbansound8k)
    arguments = ("--layout", "kaggle", "--audio-root", root, "--sources", sources, "--folds", "1,2,3")
    succeed("make", "urbansound8k-av", *arguments, "--out", tmp_path)
    found = rows(tmp_path / "urbansound8k-av", "C")
    assert {row["fold"] for row in found} == {3}
    assert all(row["image"]["path"].removesuffix(".jpg") == row["id"] for row in found)
    assert "intact" in succeed("verify", tmp_path / "urbansound8k-av")


def test_a_limit_takes_equally_many_samples_of_each_class(
    urbansound8k: Path, image_folder: Path, tmp_path: Path
) -> None:
    folder = make(urbansound8k, image_folder, tmp_path, "--limit", 40, "--workers", 1)
    labels = [row["label"] for split in ("train", "validation", "test") for row in rows(folder, "C", split)]
    assert {labels.count(label) for label in range(10)} == {4}
