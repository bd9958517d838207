"""avbuild.load: a scenario as a datasets.Dataset, decoded without torchcodec, from any place."""

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from datasets import Audio, load_from_disk
from PIL import Image

import avbuild
from avbuild.modalities.audio import decode_audio
from tests.support.commands import rows, succeed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def test_rows_are_those_on_disk_decoded(small_data: Path) -> None:
    loaded = avbuild.load(small_data, scenario="D", split="test")
    stored = rows(small_data, "D")
    assert len(loaded) == len(stored) > 0
    for row, expected in zip(loaded, stored, strict=True):
        assert {key: row[key] for key in ("id", "label", "group", "fold", "corruption")} == {
            key: expected[key] for key in ("id", "label", "group", "fold", "corruption")
        }
        assert row["audio"]["array"].dtype == np.float32
        np.testing.assert_array_equal(row["audio"]["array"], decode_audio(expected["audio"]["bytes"]))
        assert (row["audio"]["path"], row["audio"]["sampling_rate"]) == (expected["audio"]["path"], 16_000)
        assert isinstance(row["image"], Image.Image)
    assert loaded.features["label"].names == json.loads((small_data / "build.json").read_text())["classes"]
    assert len(avbuild.load(str(small_data), split="train")) == len(rows(small_data, "C", "train"))


def test_it_stays_decodable_through_what_datasets_does(small_data: Path, tmp_path: Path) -> None:
    loaded = avbuild.load(small_data)
    first = loaded[0]["audio"]["array"]
    for _ in range(2):  # the second comes from the cache of `map`
        mapped = loaded.map(lambda row: {"length": len(row["audio"]["array"])})
        np.testing.assert_array_equal(mapped[0]["audio"]["array"], first)
        assert mapped[0]["length"] == len(first)
    changed = loaded.map(lambda row: {"audio": {"array": row["audio"]["array"] * 3.1, "sampling_rate": 16_000}})
    np.testing.assert_array_equal(changed[0]["audio"]["array"], first * np.float32(3.1))
    kept = loaded.filter(lambda row: len(row["audio"]["array"]) > 0)
    np.testing.assert_array_equal(kept[0]["audio"]["array"], first)
    np.testing.assert_array_equal(loaded.with_format("torch")[0]["audio"]["array"].numpy(), first)
    np.testing.assert_array_equal(next(iter(loaded.to_iterable_dataset()))["audio"]["array"], first)
    loaded.cast_column("audio", Audio(sampling_rate=16_000)).save_to_disk(tmp_path / "saved")
    stock = load_from_disk(tmp_path / "saved")
    assert type(stock.features["audio"]) is Audio
    encoded = stock.cast_column("audio", Audio(decode=False))[0]["audio"]["bytes"]
    np.testing.assert_array_equal(decode_audio(encoded), first)


def test_a_missing_modality_is_none(small_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / "data"))
    manifest = tmp_path / "gone.yaml"
    manifest.write_text("manifest: 1\nname: gone\ndataset: data\nscenarios: {M: {audio: missing}}\n")
    succeed("corrupt", "--scenario", "M", "--manifest", manifest, "--data", data, "--workers", 1)
    loaded = avbuild.load(data, "M")
    assert {row["audio"] for row in loaded} == {None}
    assert all(loaded["audio_missing"])
    assert loaded.map(lambda row: {"gone": row["audio"] is None})[0]["gone"] is True


def test_the_name_of_a_folder_is_no_pattern(small_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / "a [b]*" / "data"))
    assert len(avbuild.load(data, "D")) == len(avbuild.load(small_data, "D"))


def test_a_data_set_made_anew_is_loaded_anew(small_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / "data"))
    before = avbuild.load(data, "D")[0]["audio"]["array"]
    succeed("corrupt", "--scenario", "D", "--severity", 5, "--data", data, "--workers", 1)
    other = avbuild.load(data, "D-severity5")[0]["audio"]["array"]
    assert not np.array_equal(before, other)


def test_a_remote_folder(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)  # which bars every remote place, not only the Hub
    files = fsspec.filesystem("memory")
    files.put(str(small_data), "/remote/data", recursive=True)
    try:
        remote, local = avbuild.load("memory://remote/data", "D"), avbuild.load(small_data, "D")
        assert remote["id"][:] == local["id"][:]
        np.testing.assert_array_equal(remote[3]["audio"]["array"], local[3]["audio"]["array"])
    finally:
        files.rm("/remote", recursive=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"scenario": "X"}, 'no scenario "X"; it has C, D'),
        ({"scenario": "d"}, 'no scenario "d"'),
        ({"scenario": None}, 'no scenario "None"'),
        ({"split": "tets"}, 'no split "tets" in scenario C; did you mean "test"'),
        ({"scenario": "D", "split": "train"}, 'no split "train" in scenario D; it has test'),
        ({"folder": "/nowhere"}, "build.json: missing, there is no data set"),
        ({"folder": ""}, "an empty path is given"),
        ({"folder": "s4://bucket/x"}, "no protocol s4://"),
    ],
)
def test_what_is_not_there_is_explained(small_data: Path, arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(avbuild.UserError, match=expected):
        avbuild.load(**({"folder": small_data} | arguments))


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_damaged_file_is_named(small_data: Path, tmp_path: Path, damage: str) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / "data"))
    shard = next((data / "D").glob("test-*"))
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(avbuild.UserError, match=r"D/test-.* missing; avbuild verify|D/test cannot be loaded"):
        avbuild.load(data, "D")
