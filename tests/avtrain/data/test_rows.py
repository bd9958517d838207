"""Rows read through the memory map equal rows held in memory, and damage on the way is an error or is repaired."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from avbuild.errors import UserError
from avbuild.scenarios.manifest import Manifest, SplitSpec
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.data.fingerprints import digest_rows
from avtrain.data.row_cache import RowCache
from avtrain.data.samples import Rows
from avtrain.data.shards import content_of, read_corrupted, read_rows, shared_recordings
from tests.conftest import REPOSITORY
from tests.support.synthetic_shards import samples_in_memory, write_data

# by version 0.1, which held all rows in memory: they enter the names of cached features
DIGESTS = {"image": "21a0bddce0b87d5ab868aa9ad78ea470", "video": "170dda467007589953ea85bf24c523e1"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("visual", ["image", "video"])
def test_rows_and_fingerprints_are_those_of_a_reader_in_memory(data: Path, tmp_path: Path, visual: str) -> None:
    manifest = write_data(data, visual=visual)
    expected = samples_in_memory(sorted(data.glob("C/train-*")))
    for cache in (RowCache(), RowCache(tmp_path / "cache"), RowCache(tmp_path / "cache")):
        rows = read_rows(manifest, "train", cache)
        assert list(rows.samples) == expected
        assert rows.modalities == ("audio", visual)
        assert digest_rows(rows) == DIGESTS[visual]
        assert digest_rows(Rows(expected, rows.classes, rows.modalities, "C")) == DIGESTS[visual]


def test_a_clip_of_many_rows_is_stored_once(data: Path, tmp_path: Path) -> None:
    read_rows(write_data(data), "train", RowCache(tmp_path))
    (files,) = tmp_path.glob("*.files.arrow")
    for clip in range(5):
        assert files.read_bytes().count(f"clip {clip}".encode() * 40) == 1


def test_indices_slices_and_errors_are_those_of_a_list(data: Path) -> None:
    rows = read_rows(write_data(data), "train").samples
    assert rows[-1].id == "train-0059"
    assert [sample.id for sample in rows[1:3]] == ["train-0001", "train-0002"]
    with pytest.raises(IndexError):
        rows[60]
    assert "audio" not in rows[3].media
    with pytest.raises(KeyError):
        rows[3].media["audio"]


def test_picked_rows_and_fewer_modalities_are_views(data: Path) -> None:
    rows = read_rows(write_data(data), "train")
    some = rows.pick([5, 0, 3]).only(("audio",))
    assert [sample.id for sample in some.samples] == ["train-0005", "train-0000", "train-0003"]
    assert [tuple(sample.media) for sample in some.samples] == [("audio",), ("audio",), ()]
    assert some.samples[1].media["audio"] == rows.samples[0].media["audio"]
    with pytest.raises(KeyError):
        some.samples[1].media["image"]


def test_a_pickled_map_is_its_path(data: Path, tmp_path: Path) -> None:
    rows = read_rows(write_data(data), "train", RowCache(tmp_path / "cache"))
    sent = pickle.dumps(rows.samples)
    assert len(sent) < 500
    assert list(pickle.loads(sent)) == list(rows.samples)


def test_other_protocols_share_one_map(data: Path, tmp_path: Path) -> None:
    spec = SplitSpec.model_validate({"fold": {"test": 3, "validation": 1}})
    manifest, cache = write_data(data).model_copy(update={"split": spec}), RowCache(tmp_path / "cache")
    assert {sample.fold for sample in read_rows(manifest, "test", cache).samples} == {3}
    read_rows(manifest.model_copy(update={"split": SplitSpec(protocol="random70")}), "train", cache)
    assert len(list((tmp_path / "cache").glob("*.json"))) == 1


def test_a_temporary_map_is_removed_with_its_rows(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = read_rows(write_data(data), "train")
    assert len(list(tmp_path.glob("avtrain-rows-*"))) == 1
    del rows
    assert not list(tmp_path.glob("avtrain-rows-*"))


@pytest.mark.parametrize("part", ["files.arrow", "rows.arrow", "json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "absent"])
def test_a_damaged_map_is_written_anew(
    data: Path, tmp_path: Path, part: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, cache = write_data(data), RowCache(tmp_path / "cache")
    read_rows(manifest, "train", cache)
    (file,) = (tmp_path / "cache").glob(f"*.{part}")
    whole = file.read_bytes()
    if damage == "absent":
        file.unlink()
    else:
        middle = len(whole) // 2
        end = b"" if damage == "cut" else bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        file.write_bytes(whole[:middle] + end)
    assert list(read_rows(manifest, "train", cache).samples) == samples_in_memory(sorted(data.glob("C/train-*")))
    assert file.read_bytes() == whole
    assert "written anew from the data set" in capsys.readouterr().err


def test_an_interrupted_copy_is_not_taken_for_a_map(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, cache = write_data(data), RowCache(tmp_path / "cache")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("avtrain.data.row_map._Copy.finish", stop)
        with pytest.raises(KeyboardInterrupt):
            read_rows(manifest, "train", cache)
    assert not list((tmp_path / "cache").iterdir())
    assert len(read_rows(manifest, "train", cache).samples) == 60


def test_two_that_write_at_once_both_read_the_whole(data: Path, tmp_path: Path) -> None:
    manifest, cache = write_data(data), RowCache(tmp_path / "cache")
    expected = samples_in_memory(sorted(data.glob("C/train-*")))
    read = (
        "import sys; from pathlib import Path; from avtrain.data.row_cache import RowCache;"
        "from avtrain.data.shards import read_rows; from tests.support.synthetic_shards import MANIFEST;"
        "manifest = MANIFEST.model_copy(update={'dataset': sys.argv[1]});"
        "print(len(read_rows(manifest, 'train', RowCache(Path(sys.argv[2]))).samples))"
    )
    command = [sys.executable, "-c", read, str(data), str(tmp_path / "cache")]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) for _ in range(2)]
    assert [reader.communicate()[0] for reader in readers] == ["60\n", "60\n"]
    assert len(list((tmp_path / "cache").iterdir())) == 3
    assert list(read_rows(manifest, "train", cache).samples) == expected


def test_a_remote_folder_is_read_in_the_same_way(data: Path, tmp_path: Path) -> None:
    manifest = write_data(data)
    fsspec.filesystem("memory").put(str(data), "/made-up", recursive=True)
    remote = manifest.model_copy(update={"dataset": "memory://made-up"})
    assert list(read_rows(remote, "test", RowCache(tmp_path)).samples) == list(read_rows(manifest, "test").samples)


def test_only_files_named_as_shards_are_read_from_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a [1] *? b"
    manifest = write_data(folder)
    for name in (
        "train-00000-of-00003 (conflicted copy).parquet",
        "train-copy.parquet",
        ".train-00000-of-00003.parquet",
    ):
        (folder / "C" / f"{name}.parquet").write_bytes(b"no Parquet")
    assert len(read_rows(manifest, "train").samples) == 60
    assert shared_recordings(manifest) != []
    assert set(content_of(manifest, ["train"])) == {"train"}
    assert read_corrupted(manifest, "train", "C") is None


def test_shards_that_are_missing_or_of_two_builds_are_an_error(data: Path) -> None:
    manifest = write_data(data)
    (data / "C/train-00001-of-00003.parquet").unlink()
    with pytest.raises(UserError, match="2 of 3 train shards are there"):
        read_rows(manifest, "train")
    (data / "C/test-00000-of-00003.parquet").rename(data / "C/test-00000-of-00002.parquet")
    with pytest.raises(UserError, match="different builds, of 2 and of 3 files"):
        read_rows(manifest, "test")


def test_a_shard_that_is_no_parquet_file_is_named(data: Path) -> None:
    manifest = write_data(data)
    shard = data / "C/train-00001-of-00003.parquet"
    whole = shard.read_bytes()
    shard.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    _refused(manifest, r"train-00001-of-00003\.parquet: a Git LFS pointer.*git lfs pull")
    for part in (b"", whole[:100], whole[: len(whole) // 2], whole[:-1]):
        shard.write_bytes(part)
        _refused(manifest, r"train-00001-of-00003\.parquet: damaged")


def test_a_changed_image_in_a_shard_is_an_error(data: Path) -> None:
    manifest = write_data(data)
    shard = data / "C/train-00001-of-00003.parquet"
    shard.write_bytes(shard.read_bytes().replace(b"train image 21", b"train image 29"))
    with pytest.raises(UserError, match=r"train-00001-of-00003\.parquet: damaged"):
        read_rows(manifest, "train")


def _refused(manifest: Manifest, message: str) -> None:
    for read in (lambda: read_rows(manifest, "train"), lambda: content_of(manifest, ["train"])):
        with pytest.raises(UserError, match=message):
            read()
    with pytest.raises(UserError, match=message):
        shared_recordings(manifest)


def test_joined_rows_are_those_of_one_split_then_those_of_the_other(small_data: Path) -> None:
    manifest = load_manifest(small_data / "manifest.yaml")
    train, validation = read_rows(manifest, "train"), read_rows(manifest, "validation")
    joined = train.joined(validation)
    assert [s.id for s in joined.samples] == [s.id for s in [*train.samples, *validation.samples]]
    assert joined.samples[-1].id == validation.samples[-1].id
    assert joined.samples[0].media.keys() == train.samples[0].media.keys()
    with pytest.raises(IndexError):
        joined.samples[len(joined.samples)]


def test_a_shard_damaged_after_its_rows_were_copied_is_noticed(data: Path, tmp_path: Path) -> None:
    manifest, cache = write_data(data), RowCache(tmp_path / "cache")
    read_rows(manifest, "train", cache)
    (record,) = (tmp_path / "cache").glob("*.json")
    before = record.read_bytes()
    read_rows(manifest, "train", cache)
    assert record.read_bytes() == before
    shard = data / "C/train-00001-of-00003.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole.replace(b"train image 21", b"train image 29"))
    os.utime(shard, ns=(1, 1))
    with pytest.raises(UserError, match=r"train-00001-of-00003\.parquet: damaged"):
        read_rows(manifest, "train", cache)
    shard.write_bytes(whole)  # put back: verified once more, and recorded
    assert len(read_rows(manifest, "train", cache).samples) == 60
    assert record.read_bytes() != before


def test_a_copy_of_rows_by_an_earlier_version_is_still_read(data: Path, tmp_path: Path) -> None:
    manifest, cache = write_data(data), RowCache(tmp_path / "cache")
    read_rows(manifest, "train", cache)
    (record,) = (tmp_path / "cache").glob("*.json")
    old = {key: value for key, value in json.loads(record.read_text()).items() if key.endswith("arrow")}
    record.write_text(json.dumps(old))
    written = (tmp_path / "cache" / f"{record.stem}.rows.arrow").stat().st_mtime_ns
    assert len(read_rows(manifest, "train", cache).samples) == 60
    assert (tmp_path / "cache" / f"{record.stem}.rows.arrow").stat().st_mtime_ns == written
