"""`avbuild make`, `corrupt` and `verify` on small real files: their guarantees, and their errors."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from avbuild.dataset.storage import partial_name
from tests.support.commands import AVBUILD, fail, rows, succeed, tree


def make(root: Path, image_folder: Path, out: Path, *more: object) -> Path:
    succeed("make", "urbansound8k-av", "--audio-root", root, "--images", f"folder:{image_folder}", "--out", out, *more)
    return out / "urbansound8k-av"


@pytest.fixture(scope="module")
def data(urbansound8k: Path, image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished data set with all scenarios; do not change it."""
    folder = make(urbansound8k, image_folder, tmp_path_factory.mktemp("data"), "--workers", 1)
    succeed("corrupt", "--scenario", "A,V,D", "--data", folder, "--workers", 1)
    return folder


def test_every_clip_becomes_one_sample(data: Path) -> None:
    all_rows = [row for split in ("train", "validation", "test") for row in rows(data, "C", split)]
    assert len(all_rows) == len({row["id"] for row in all_rows}) == 120
    first = all_rows[0]
    assert list(first) == [
        "id",
        "audio",
        "image",
        "label",
        "group",
        "fold",
        "audio_missing",
        "image_missing",
        "corruption",
    ]
    assert first["id"].split("-")[0] == first["group"]


def test_hugging_face_datasets_loads_every_scenario(data: Path, tmp_path: Path) -> None:
    from datasets import Audio, load_dataset

    clean = load_dataset(str(data), "C", split="test", cache_dir=str(tmp_path)).cast_column(
        "audio", Audio(decode=False)
    )
    noisy = load_dataset(str(data), "D", split="test", cache_dir=str(tmp_path)).cast_column(
        "audio", Audio(decode=False)
    )
    assert clean.features["label"].names[3] == "dog_bark"
    assert clean["id"] == noisy["id"]
    assert clean[0]["image"].size == (32, 24)
    assert clean[0]["audio"]["bytes"][:4] == b"fLaC"


def test_an_unchanged_modality_keeps_its_bytes(data: Path) -> None:
    for clean, audio, image, both in zip(*(rows(data, name) for name in "CAVD"), strict=True):
        assert clean["id"] == audio["id"] == image["id"] == both["id"]
        assert audio["image"] == clean["image"]
        assert image["audio"] == clean["audio"]
        record = json.loads(both["corruption"])
        assert ("unchanged" in record["image"][-1]) == (both["image"] == clean["image"])
        assert ("unchanged" in record["audio"][-1]) == (both["audio"] == clean["audio"])


def test_clean_images_keep_the_bytes_of_their_source(data: Path, image_folder: Path) -> None:
    originals = {path.read_bytes() for path in image_folder.rglob("*.jpg")}
    assert {row["image"]["bytes"] for row in rows(data, "C")} <= originals


def test_no_recording_and_no_image_is_in_two_splits(data: Path) -> None:
    for column in ("group", "image"):
        seen: dict[object, str] = {}
        for split in ("train", "validation", "test"):
            for row in rows(data, "C", split):
                key = row[column]["bytes"] if column == "image" else row[column]
                assert seen.setdefault(key, split) == split


def test_the_bytes_are_the_same_for_any_number_of_workers(
    data: Path, urbansound8k: Path, image_folder: Path, tmp_path: Path
) -> None:
    again = make(urbansound8k, image_folder, tmp_path, "--workers", 2)
    succeed("corrupt", "--scenario", "D", "--data", again, "--workers", 2)
    succeed("corrupt", "--scenario", "V,A", "--data", again, "--workers", 2)
    first, second = tree(data), tree(again)
    assert first.keys() == second.keys()
    shards = [name for name in first if name.endswith(".parquet")]
    assert [name for name in shards if first[name] != second[name]] == []


def test_a_finished_build_is_not_overwritten_by_another(data: Path, urbansound8k: Path, image_folder: Path) -> None:
    before = tree(data)
    arguments = ("make", "urbansound8k-av", "--audio-root", urbansound8k, "--images", f"folder:{image_folder}")
    message = fail(*arguments, "--out", data.parent, "--seed", 5)
    assert "seed: 0 there, 5 asked for" in message
    assert tree(data) == before


def test_running_make_and_corrupt_again_changes_nothing(data: Path, urbansound8k: Path, image_folder: Path) -> None:
    before = tree(data)
    make(urbansound8k, image_folder, data.parent, "--workers", 1)
    succeed("corrupt", "--scenario", "D", "--data", data, "--workers", 1)
    assert tree(data) == before


def test_killing_and_restarting_make_gives_the_same_bytes(
    data: Path, urbansound8k: Path, image_folder: Path, tmp_path: Path
) -> None:
    command = [*AVBUILD, "make", "urbansound8k-av", "--audio-root", urbansound8k, "--images", f"folder:{image_folder}"]
    command += ["--out", tmp_path, "--workers", "1"]
    process = subprocess.Popen([str(part) for part in command])
    folder = tmp_path / "urbansound8k-av"
    while not list(folder.glob("C/[!.]*.parquet")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (folder / "C" / partial_name("test.parquet", process.pid)).write_bytes(b"half")
    if not (folder / "build.json").exists():
        assert "not finished" in fail("inspect", folder)
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    succeed("corrupt", "--scenario", "A,V,D", "--data", folder, "--workers", 1)
    assert tree(folder) == tree(data)


@pytest.mark.parametrize("position", [0.02, 0.5, 0.98])
def test_verify_names_a_shard_with_a_flipped_bit(data: Path, tmp_path: Path, position: float) -> None:
    folder = copy(data, tmp_path)
    shard = next(iter(sorted(folder.glob("D/*.parquet"))))
    damaged = bytearray(shard.read_bytes())
    damaged[int(position * len(damaged))] ^= 1
    shard.write_bytes(damaged)
    message = fail("verify", folder)
    assert str(shard) in message
    assert "avbuild corrupt --scenario D" in message
    shard.unlink()
    succeed("corrupt", "--scenario", "D", "--data", folder, "--workers", 1)
    assert tree(folder) == tree(data)


def copy(data: Path, target: Path) -> Path:
    import shutil

    return Path(shutil.copytree(data, target / data.name))


def test_make_rewrites_a_truncated_shard(data: Path, urbansound8k: Path, image_folder: Path, tmp_path: Path) -> None:
    folder = copy(data, tmp_path)
    shard = sorted(folder.glob("C/train-*.parquet"))[0]
    os.truncate(shard, shard.stat().st_size // 2)
    assert str(shard) in fail("verify", folder)
    make(urbansound8k, image_folder, tmp_path, "--workers", 1)
    assert tree(folder) == tree(data)


def test_verify_names_a_leaking_recording(data: Path, tmp_path: Path) -> None:
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.scenario_record import SplitRecord, scenario_content
    from avbuild.dataset.shards import read_samples, write_shard
    from avbuild.dataset.storage import Folder

    path = copy(data, tmp_path)
    folder, build = Folder(path), read_build(Folder(path))
    clean = build.scenarios["C"]
    shard = clean.splits["test"].shards[0]
    samples = list(read_samples(folder.read(shard.file)))
    leaking = next(iter(read_samples(folder.read(clean.splits["train"].shards[0].file))))["group"]
    samples[0]["group"] = leaking
    record = write_shard(folder, shard.file, samples, build.classes, "job", clean.hash)
    splits = {**clean.splits, "test": SplitRecord(rows=record.rows, shards=(record,))}
    leaky = clean.model_copy(update={"splits": splits, "content": scenario_content(splits.values())})
    build.model_copy(update={"scenarios": {**build.scenarios, "C": leaky}}).write(folder)
    assert f"recording {leaking} leaks: it is in train and test" in fail("verify", path)


def test_verify_names_a_changed_card_and_manifest(data: Path, tmp_path: Path) -> None:
    folder = copy(data, tmp_path)
    card = folder / "README.md"
    card.write_text(card.read_text().replace("CC BY-NC", "MIT"))
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("seed: 0", "seed: 1"))
    message = fail("verify", folder)
    assert "README.md: does not agree with build.json" in message
    assert "scenario D on disk was made with another spec" in message


def test_overriding_severity_and_seed_makes_a_new_scenario(data: Path, tmp_path: Path) -> None:
    folder = copy(data, tmp_path)
    out = succeed("corrupt", "--scenario", "D", "--severity", 5, "--seed", 9, "--data", folder, "--workers", 1)
    assert "D-severity5-seed9" in out
    build = json.loads((folder / "build.json").read_text())
    assert build["scenarios"]["D-severity5-seed9"]["seed"] == 9
    assert all(rows(folder, "D")[i] == row for i, row in enumerate(rows(data, "D")))
    record = json.loads(rows(folder, "D-severity5-seed9")[0]["corruption"])
    assert record["seed"] == 9
    assert record["audio"][0]["severity"] == 5
    assert "intact" in succeed("verify", folder)


def test_missing_modalities_are_null_and_their_number_is_printed(data: Path, tmp_path: Path) -> None:
    folder = copy(data, tmp_path)
    manifest = tmp_path / "missing.yaml"
    text = (folder / "manifest.yaml").read_text()
    manifest.write_text(
        text + "  M30: {image: {missing_rate: 0.3}}\n  M60: {image: {missing_rate: 0.6}}\n  N: {audio: missing}\n"
    )
    out = succeed("corrupt", "--scenario", "M30,M60,N", "--manifest", manifest, "--data", folder, "--workers", 1)
    few, many = ({row["id"] for row in rows(folder, name) if row["image_missing"]} for name in ("M30", "M60"))
    assert few < many
    assert f"image missing in {len(few)}" in out
    assert all(row["audio"] is None and row["audio_missing"] for row in rows(folder, "N"))
    assert "intact" in succeed("verify", folder)
