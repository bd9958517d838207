"""Shards: rows round-trip, a shared clip is stored once, and damage is always detected."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avbuild.dataset.rows import StoredSample, content_hash
from avbuild.dataset.shards import finished_shard, read_samples, write_shard
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError

CLASSES = ("cat", "dog")


def samples(count: int = 60, clips: int = 3) -> list[StoredSample]:
    rng = np.random.default_rng(0)
    audio = [rng.bytes(20_000) for _ in range(clips)]
    return [
        StoredSample(
            id=f"sample {index}",
            audio=None if index == 5 else {"bytes": audio[index * clips // count], "path": "a.flac"},
            image={"bytes": rng.bytes(500), "path": "b.png"},
            label=index % 2,
            group="g",
            fold=1,
            audio_missing=index == 5,
            image_missing=False,
            corruption="{}",
        )
        for index in range(count)
    ]


def test_a_shard_round_trips_and_is_recognised_by_its_job(tmp_path: Path) -> None:
    folder, given = Folder(tmp_path), samples()
    record = write_shard(folder, "C/test-00000-of-00001.parquet", given, CLASSES, "job", "scenario")
    assert list(read_samples(folder.read(record.file))) == given
    assert record.rows == 60
    assert record.missing == {"audio": 1, "image": 0}
    assert finished_shard(folder, record.file, "job", CLASSES, "scenario") == record
    assert finished_shard(folder, record.file, "another job", CLASSES, "scenario") is None
    assert finished_shard(folder, "C/none.parquet", "job", CLASSES, "scenario") is None


def test_a_clip_of_many_rows_is_stored_once(tmp_path: Path) -> None:
    record = write_shard(Folder(tmp_path), "s.parquet", samples(), CLASSES, "job", "scenario")
    assert record.bytes < 3 * 20_000 + 60 * 500 + 15_000


def test_equal_rows_give_equal_bytes_and_changed_rows_another_hash(tmp_path: Path) -> None:
    first = write_shard(Folder(tmp_path / "a"), "s.parquet", samples(), CLASSES, "job", "scenario")
    assert write_shard(Folder(tmp_path / "b"), "s.parquet", samples(), CLASSES, "job", "scenario") == first
    for key, value in (("id", "x"), ("label", 0), ("group", "h"), ("corruption", "[]"), ("image", None)):
        changed = samples()
        changed[7][key] = value  # type: ignore[literal-required]
        assert content_hash(changed) != first.content, key


@pytest.mark.parametrize("position", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_flipped_bit_anywhere_is_detected(tmp_path: Path, position: float) -> None:
    folder = Folder(tmp_path)
    write_shard(folder, "s.parquet", samples(), CLASSES, "job", "scenario")
    data = bytearray(folder.read("s.parquet"))
    data[int(position * len(data))] ^= 4
    folder.write("s.parquet", bytes(data))
    assert finished_shard(folder, "s.parquet", "job", CLASSES, "scenario") is None


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.999])
def test_a_truncated_shard_is_not_taken_for_finished(tmp_path: Path, kept: float) -> None:
    folder = Folder(tmp_path)
    write_shard(folder, "s.parquet", samples(), CLASSES, "job", "scenario")
    data = folder.read("s.parquet")
    folder.write("s.parquet", data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    assert finished_shard(folder, "s.parquet", "job", CLASSES, "scenario") is None
    with pytest.raises((pa.ArrowException, OSError)):
        list(read_samples(folder.read("s.parquet")))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    folder.write("a/b.json", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="cannot be written: No space left"):
        folder.write("a/b.json", b"new and longer")
    assert folder.read("a/b.json") == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]


def test_shards_can_be_written_to_any_fsspec_url() -> None:
    folder = Folder("memory://bucket/data")
    record = write_shard(folder, "C/s.parquet", samples(8, 2), CLASSES, "job", "scenario")
    assert finished_shard(folder, "C/s.parquet", "job", CLASSES, "scenario") == record
    assert folder.names() == ["C/s.parquet"]
    folder.remove("C/s.parquet")
    assert folder.names() == []
