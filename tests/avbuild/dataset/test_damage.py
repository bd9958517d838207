"""Damaged and odd data set folders: one error that names the file and says what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError, UserError
from tests.support.commands import avbuild, fail, succeed, tree

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"


@pytest.fixture
def data(small_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_data, tmp_path / "data"))


def shard(data: Path, scenario: str = "C") -> Path:
    return next(iter(sorted(data.glob(f"{scenario}/test-*.parquet"))))


def flip_media_byte(path: Path) -> None:
    """Change one byte inside a JPEG, which only a checksum notices."""
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xd8\xff") + 400] ^= 1
    path.write_bytes(content)


def replace_by_pointer(path: Path) -> None:
    path.write_text(POINTER)


@pytest.mark.parametrize("damage", [flip_media_byte, replace_by_pointer, Path.unlink])
def test_nothing_is_made_from_a_damaged_clean_shard(data: Path, damage: Callable[[Path], None]) -> None:
    path = shard(data)
    damage(path)
    before = tree(data)
    for command in (
        ("corrupt", "--scenario", "A", "--data", data, "--workers", 1),
        ("corrupt", "--scenario", "A", "--data", data, "--dry-run"),
        ("preview", data, "--scenario", "A", "--out", data.parent / "p.html"),
    ):
        assert str(path) in fail(*command)
    assert tree(data) == before
    assert not (data.parent / "p.html").exists()


def test_a_git_lfs_pointer_is_called_one(data: Path) -> None:
    shard(data, "D").write_text(POINTER)
    assert "a Git LFS pointer, not the file" in fail("verify", data)
    assert "a Git LFS pointer, not the file" in fail("replay", "--id", "x", "--scenario", "D", "--data", data)
    (data / "build.json").write_text(POINTER)
    assert "build.json: damaged: a Git LFS pointer" in fail("inspect", data)


def test_a_damaged_corrupted_shard_is_written_again(data: Path) -> None:
    whole = tree(data)
    content = bytearray(shard(data, "D").read_bytes())
    content[-40] ^= 1  # in the footer, which no checksum of Parquet covers
    shard(data, "D").write_bytes(content)
    succeed("corrupt", "--scenario", "D", "--data", data, "--workers", 1)
    assert tree(data) == whole


@pytest.mark.parametrize(
    ("found", "put"), [('"rows": ', '"rows": 1'), ("C/test-00000", "../test-00000"), ('"title": "', '"title": "X')]
)
def test_a_changed_build_json_is_refused(data: Path, found: str, put: str) -> None:
    path = data / "build.json"
    path.write_text(path.read_text().replace(found, put, 1))
    for command in (("inspect", data), ("verify", data), ("corrupt", "--scenario", "A", "--data", data)):
        assert f"{path}: damaged: " in fail(*command)


def test_a_conflicted_copy_is_named_and_left_alone(data: Path) -> None:
    copy = shard(data).with_name("test-00000-of-00001 (conflicted copy).parquet")
    copy.write_bytes(b"other")
    message = fail("verify", data)
    assert f"{copy}: avbuild wrote no file of this name" in message
    assert "README.md: datasets finds" in message  # as `load_dataset` reads it too
    succeed("corrupt", "--scenario", "A", "--data", data, "--workers", 1)
    assert copy.read_bytes() == b"other"


def test_verify_loads_every_config_as_datasets_does(data: Path) -> None:
    card = data / "README.md"
    card.write_text(card.read_text().replace("default: true", "default: true\n- config_name: default\n  default: true"))
    assert "datasets cannot load config C" in fail("verify", data)


def test_folders_with_brackets_and_stars(small_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / "a[1]*?"))
    succeed("corrupt", "--scenario", "A", "--data", data, "--workers", 1)
    succeed("inspect", data)
    assert "intact" in succeed("verify", data)


def test_links_in_a_circle_end(data: Path) -> None:
    (data / "C" / "loop").symlink_to(data)
    (data / "self").symlink_to("self")
    assert "intact" in succeed("verify", data)
    (data / "README.md").unlink()
    (data / "README.md").symlink_to("README.md")
    assert "README.md" in fail("verify", data)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("gs://bucket/x", "gs:// needs a package that is not installed: Please install gcsfs"),
        ("foo://bucket/x", "no protocol foo://"),
        ("memory:x", "write memory://x, with two slashes"),
        ("s3:/bucket/x", "write s3://bucket/x, with two slashes"),
        ("", "an empty path"),
        ("~nobody-of-this-name/x", "write the whole path"),
    ],
)
def test_a_place_that_cannot_be_is_explained(place: str, expected: str) -> None:
    with pytest.raises(UserError) as raised:
        Folder(place)
    assert expected in str(raised.value)


def test_commands_refuse_such_places_too(tmp_path: Path) -> None:
    assert "an empty path" in fail("make", "demo-av", "--out", "")
    assert "no protocol foo://" in fail("verify", "foo://x/y")
    assert "hf://datasets/no/such" in fail("verify", "hf://datasets/no/such")


def test_home_is_expanded(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbuild.scenarios.manifest_file import load_manifest

    monkeypatch.setenv("HOME", str(tmp_path))
    data = shutil.copytree(small_data, tmp_path / "data")
    succeed("inspect", "~/data")
    succeed("preview", "~/data", "--scenario", "D", "--samples", 1, "--out", "~/p.html")
    assert (tmp_path / "p.html").exists()
    manifest = data / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("dataset: .", "dataset: ~/data"))
    assert load_manifest("~/data/manifest.yaml").dataset == str(data)


@pytest.mark.parametrize("name", ["default", "Default", "README.md", "con", "a.", "x" * 101])
def test_scenarios_are_named_like_folders(data: Path, tmp_path: Path, name: str) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text((data / "manifest.yaml").read_text() + f'  "{name}": {{image: missing}}\n')
    before = tree(data)
    message = fail("corrupt", "--scenario", name, "--manifest", manifest, "--data", data)
    assert f"{manifest}: 1 problem" in message
    assert "name" in message
    assert tree(data) == before


def test_scenarios_that_differ_only_in_case_are_refused(data: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text((data / "manifest.yaml").read_text() + "  d: {image: missing}\n")
    message = fail("corrupt", "--scenario", "d", "--manifest", manifest, "--data", data)
    assert "D and d differ only in upper and lower case" in message
    manifest.write_text("manifest: 1\nname: m\ndataset: .\nscenarios:\n  d: {image: missing}\n")
    result = avbuild("corrupt", "--scenario", "d", "--manifest", manifest, "--data", data)
    assert isinstance(result.exception, UsageError)
    assert "D and d differ only" in str(result.exception)
