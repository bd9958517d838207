"""The arguments of `avbuild make`."""

from pathlib import Path

import pytest

from tests.support.commands import avbuild, fail, succeed

Arguments = tuple[object, ...]


@pytest.fixture
def arguments(urbansound8k: Path, image_folder: Path, tmp_path: Path) -> Arguments:
    """A command that builds a small data set in tmp_path/out."""
    sources = ("--audio-root", urbansound8k, "--images", f"folder:{image_folder}")
    return ("make", "urbansound8k-av", *sources, "--out", tmp_path / "out", "--workers", 1)


def test_an_unknown_data_set_suggests_the_known_one() -> None:
    assert 'did you mean "cifar10-av"?' in fail("make", "cifar-av")


@pytest.mark.parametrize("folds", ["1", "1,1", "0,1", "one,two", "¹,²", "١,٢", "", "9" * 5_000 + ",1"])
def test_invalid_folds_are_explained(folds: str) -> None:
    assert "give two or more different folds" in fail("make", "urbansound8k-av", "--folds", folds)


def test_a_dry_run_writes_nothing(arguments: Arguments, tmp_path: Path) -> None:
    assert "120 pairs" in succeed(*arguments, "--dry-run")
    assert not (tmp_path / "out").exists()


def test_a_share_says_how_to_complete_the_data_set(arguments: Arguments) -> None:
    result = avbuild(*arguments, "--job-share", "1/2")
    assert result.exit_code == 0
    assert "urbansound8k-av: share 1/2 written to " in result.stdout
    assert "run the same command without --job-share" in result.stdout
    assert "--shard" not in result.stderr


def test_the_old_name_of_job_share_works_with_a_notice(arguments: Arguments) -> None:
    result = avbuild(*arguments, "--shard", "1/2")
    assert result.exit_code == 0
    assert "urbansound8k-av: share 1/2 written to " in result.stdout
    assert result.stderr.startswith("--shard is now --job-share\n")


def test_a_wrong_share_is_explained_with_the_new_name() -> None:
    for name in ("--job-share", "--shard"):
        assert "--job-share 2/2: write i/n with i from 0 to n - 1" in fail("make", "demo-av", name, "2/2")


def test_the_examples_of_help_are_those_that_the_data_sets_declare() -> None:
    from avbuild.commands.make import make
    from avbuild.sources.registry import BUILDERS

    examples = [line.strip() for line in str(make.__doc__).splitlines() if line.strip().startswith("avbuild make ")]
    declared = [example for builder in BUILDERS.values() for example in builder.examples]
    assert sorted(examples) == sorted(declared)
