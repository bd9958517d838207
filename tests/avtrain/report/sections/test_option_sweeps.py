"""Sweeps in a report: validation accuracies and what varied, for folders with and without evaluated runs."""

import json
import shutil
from pathlib import Path

import pytest

from avbuild.errors import UserError
from avtrain.report.writer import find_results
from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.support.reports import score, write_runs

NAME = "small-sweep"


@pytest.fixture(scope="module")
def swept(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of a sweep over two learning rates with two seeds; do not change them."""
    out = tmp_path_factory.mktemp("swept") / "runs"
    small = ("--backbone", "tiny", "--epochs", 1, "--batch-size", 32, *SMALL, "--seeds", "0,1", "--name", NAME)
    avtrain_("sweep", small_data / "manifest.yaml", "--grid", "lr=1e-6,3e-3", *small, "--out", out)
    return out


@pytest.fixture
def runs(swept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(swept, tmp_path / "runs"))


def test_a_sweep_alone_is_reported_from_validation_and_the_test_split_is_not_read(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    said = avtrain_("report", runs)
    best = (runs / NAME / "sweep.csv").read_text().splitlines()[1].split(",")
    markdown = (runs / "report.md").read_text()
    assert f"| 1 | {best[1]} | {100 * float(best[2]):.1f} ± {100 * float(best[3]):.1f} | 2 |" in markdown
    for text in (said, markdown, (runs / "report.html").read_text()):
        assert "Sweep of lr for finetune (tiny): small-sweep" in " ".join(text.split())
        assert "validation" in text
    assert "report.png" not in said
    assert not (runs / "report.png").exists()
    assert not list(runs.rglob("eval"))
    (sweep,) = json.loads((runs / "report.json").read_text())["sweeps"]
    assert sweep["options"] == ["lr"]
    assert [point["seeds"] for point in sweep["points"]] == ["2", "2"]


def test_it_stands_with_the_results_of_its_manifest(runs: Path) -> None:
    write_runs(runs, [score("map", "D", 0.5, manifest="urbansound8k-av"), score("map", "D", 0.5, run="b/seed0")])
    found = {results.manifest: sweeps for results, sweeps in find_results(runs)}
    assert sorted(found) == ["demo", "urbansound8k-av"]
    assert [sweep.name for sweep in found["urbansound8k-av"]] == [NAME]
    assert not found["demo"]
    avtrain_("report", runs, "--baseline", "map")
    assert (runs / "report.png").exists()


def test_a_sweep_of_another_manifest_than_the_evaluated_has_a_part_of_its_own(runs: Path) -> None:
    write_runs(runs, [score("map", "D", 0.5)])
    (evaluated, none), (alone, sweeps) = find_results(runs)
    assert (evaluated.manifest, none) == ("demo", [])
    assert (alone.manifest, len(sweeps), alone.entries) == ("urbansound8k-av", 1, {})
    avtrain_("report", runs, "--baseline", "map")  # which only the evaluated part has


def test_a_combination_without_a_score_says_why(runs: Path) -> None:
    table = runs / NAME / "sweep.csv"
    *lines, last = table.read_text().splitlines()
    cells = last.split(",")
    table.write_text("\n".join([*lines, ",".join([*cells[:2], "", "", "1", cells[5], "diverged (seed 0)"])]) + "\n")
    ((_, (sweep,)),) = find_results(runs)
    assert sweep.points[1].accuracy == "diverged (seed 0)"


@pytest.mark.parametrize("text", ["", "a,b\n", "rank,lr,validation_mean,validation_std,n,folder,problem\n1,2\n"])
def test_a_damaged_table_is_named(runs: Path, text: str) -> None:
    (runs / NAME / "sweep.csv").write_text(text)
    with pytest.raises(UserError, match=r"sweep\.csv: not the table of a sweep .* again writes it anew"):
        find_results(runs)


def test_runs_without_a_table_are_no_sweep(runs: Path) -> None:
    (runs / NAME / "sweep.csv").unlink()  # the sweep was stopped
    with pytest.raises(UserError, match="no run has been evaluated yet"):
        find_results(runs)
