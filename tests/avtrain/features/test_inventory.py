"""avtrain cache: what a cache holds, and the removal of what nobody needs; nothing else in its folder is touched."""

import os
import time
from pathlib import Path

import pytest

from avbuild.dataset.storage import partial_name
from avbuild.errors import UsageError
from avtrain.data.cache_uses import FILE, read_uses
from avtrain.features.inventory import entries, tidy
from tests.avtrain.runs.test_integrity import dead_process
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.commands import tree
from tests.support.stopping import stopped_in

NAME = "urbansound8k-av-linear-probe-tiny"


@pytest.fixture
def cache(small_data: Path, tmp_path: Path) -> Path:
    """The cache of a finished and of a stopped run."""
    options = ("--method", "linear-probe", "--epochs", 2, "--train-on", "clean")
    fit(small_data / "manifest.yaml", tmp_path, *options)
    with stopped_in(epoch=1):
        fit(small_data / "manifest.yaml", tmp_path, *options, "--seeds", 1)
    return tmp_path / "features"


def test_it_says_what_each_entry_holds_and_which_runs_use_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    found = entries(cache)
    features = [entry for entry in found if not entry.name.startswith("rows/")]
    rows = [entry for entry in found if entry.name.startswith("rows/")]
    assert len(rows) == 2
    assert features
    files = [path for path in cache.rglob("*") if path.is_file() and path.name != FILE]
    assert sum(entry.size for entry in found) == sum(path.stat().st_size for path in files)
    assert {entry.about["backbone"] for entry in features} == {"Tiny"}
    assert {entry.about["scenario"] for entry in features} == {"C"}
    assert all("urbansound8k-av" in entry.about["data"] for entry in found)
    assert {run.name for entry in rows for run in entry.runs} == {"seed0", "seed1"}
    assert [run.name for run in rows[0].unfinished_runs] == ["seed1"]
    shown = avtrain_("cache", "list", cache)
    assert f"{len(features)} sets of features and 2 copies of rows" in shown
    assert "seed1" in shown


def test_clean_removes_what_was_asked_for_and_nothing_else(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = cache / "mine.txt"
    mine.write_text("kept")
    for left in (cache, cache / "rows"):
        (left / partial_name("x", dead_process())).write_text("half")
    before = tree(cache)
    assert "would remove 0 of" in avtrain_("cache", "clean", cache, "--dry-run")
    planned = avtrain_("cache", "clean", cache, "--all", "--dry-run")
    assert "1 unfinished runs need it" in planned
    assert tree(cache) == before
    with pytest.raises(SystemExit):
        avtrain_("cache", "clean", cache, "--all")  # nobody says yes
    assert tree(cache) == before
    avtrain_("cache", "clean", cache, "--older-than", "1h")
    assert len(entries(cache)) == len({name.split(".")[0].rsplit("/", 1)[0] for name in before if "npy" in name}) + 2
    assert not list(cache.rglob(".partial*"))
    now = time.time()
    monkeypatch.setattr("avtrain.features.inventory.time.time", lambda: now + 7200)
    avtrain_("cache", "clean", cache, "--older-than", "1h", "--yes")
    assert entries(cache) == []
    assert mine.read_text() == "kept"
    assert read_uses(cache) == {}


def test_a_run_whose_cache_was_removed_ends_as_it_would_have(cache: Path, small_data: Path) -> None:
    avtrain_("cache", "clean", cache, "--all", "--yes")
    options = ("--method", "linear-probe", "--epochs", 2, "--train-on", "clean")
    fit(small_data / "manifest.yaml", cache.parent, *options, "--seeds", 1)
    assert len([entry for entry in entries(cache) if entry.whole]) >= 3


def test_leftovers_go_with_fit_and_eval_and_those_of_the_living_stay(cache: Path, small_data: Path) -> None:
    old, new = cache / f".partial-{'a' * 32}-123", cache / f".partial-{'b' * 32}-124"
    for path in (old, new):
        path.mkdir()
    os.utime(old, (1, 1))
    mine, dead = cache / partial_name("x", os.getpid()), cache / "rows" / partial_name("x", dead_process())
    for path in (mine, dead):
        path.write_text("half")
    avtrain_("eval", cache.parent / f"{NAME}-clean" / "seed0")
    assert [path.exists() for path in (old, new, mine, dead)] == [False, True, True, False]
    assert tidy(None) == []


@pytest.mark.parametrize("arguments", [("--older-than", "soon"), ("--all", "--older-than", "1d")])
def test_wrong_options_are_usage_errors(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        avtrain_("cache", "clean", tmp_path, *arguments)
    with pytest.raises(UsageError, match="no cache there"):
        avtrain_("cache", "list", tmp_path / "no")
