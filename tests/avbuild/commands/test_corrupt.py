"""The arguments of `avbuild corrupt`."""

import shutil
from pathlib import Path

import pytest

from tests.support.commands import avbuild, fail, succeed, tree


def copy(data: Path, target: Path) -> Path:
    return Path(shutil.copytree(data, target / data.name))


def test_the_one_data_set_under_data_is_found(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no data set under data/" in fail("corrupt", "--scenario", "D")
    copy(small_data, tmp_path / "data")
    assert "next: avtrain fit" in succeed("corrupt", "--scenario", "D", "--workers", 1)
    (tmp_path / "data" / "other").mkdir()
    (tmp_path / "data" / "other" / "build.json").write_text("{}")
    message = fail("corrupt", "--scenario", "D")
    assert "--data" in message
    assert "data/other" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--scenario", "C"), "C is the clean data"),
        (("--scenario", "X"), 'no scenario "X"'),
        (("--scenario", "D", "--splits", ","), "--splits ',': name at least one"),
        (("--scenario", " , "), "--scenario ' , ': name at least one"),
        (("--scenario", "D", "--job-share", "²/³"), "--job-share ²/³: write i/n"),
        (("--scenario", "D", "--job-share", ""), "--job-share : write i/n"),
        (("--scenario", "D", "--splits", "tset"), "allowed are train, validation, test"),
        (("--scenario", "D", "--ray-address", "auto"), "goes with --engine ray"),
        (("--scenario", "D", "--job-share", "2/2"), "--job-share 2/2: write i/n with i from 0 to n - 1"),
        (("--scenario", "D", "--shard", "2/2"), "--job-share 2/2: write i/n with i from 0 to n - 1"),
        (("--scenario", "D", "--job-share", "0/2", "--shard", "0/2"), "--shard is the old name of --job-share"),
    ],
)
def test_a_wrong_corrupt_is_explained(small_data: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in fail("corrupt", *arguments, "--data", small_data)


def test_a_dry_run_writes_nothing(small_data: Path) -> None:
    before = tree(small_data)
    assert "dry run" in succeed("corrupt", "--scenario", "D", "--data", small_data, "--dry-run")
    assert tree(small_data) == before


def test_both_names_of_job_share_write_the_same_shards(small_data: Path, tmp_path: Path) -> None:
    written = []
    for name, notice in (("--job-share", ""), ("--shard", "--shard is now --job-share\n")):
        folder = copy(small_data, tmp_path / name.strip("-"))
        result = avbuild("corrupt", "--scenario", "A", "--data", folder, "--workers", 1, name, "0/1")
        assert result.exit_code == 0
        assert "A: share 0/1 written to " in result.stdout
        assert "run the same command without --job-share" in result.stdout
        assert result.stderr == notice
        written.append({file: data for file, data in tree(folder).items() if file.startswith("A/")})
    assert written[0]
    assert written[0] == written[1]
