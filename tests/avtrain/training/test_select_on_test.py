"""Selection on the test split: never by default, always warned of and marked, never mixed with honest rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from avbuild.errors import UsageError
from avtrain.cli import app
from avtrain.config import FitConfig, RunConfig
from avtrain.report.results import Entry, gather
from avtrain.runs.folder import Run
from avtrain.runs.search import find_runs
from tests.avtrain.training.test_fit import SMALL, TINY, avtrain_
from tests.support.reports import report, score

NAME = "urbansound8k-av-concat-tiny"
MARK = "selected on test"


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return {}


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory, said: dict[str, Any]) -> Path:
    """concat selected on either split, evaluated; do not change it."""
    out = tmp_path_factory.mktemp("selected")
    asked = ["fit", small_data / "manifest.yaml", "--method", "concat", *TINY, *SMALL, "--out", out]
    for how in ((), ("--select-on-test",)):
        said[" ".join(how)] = CliRunner().invoke(app, [str(word) for word in (*asked, *how)], catch_exceptions=False)
    said["eval"] = avtrain_("eval", out)
    return out


def test_it_is_warned_of_and_never_the_default(runs: Path, said: dict[str, Any]) -> None:
    assert "warning: the best epoch is chosen on the test split" in said["--select-on-test"].stderr
    assert "warning" not in said[""].stderr
    assert f"{MARK}:" in said["--select-on-test"].stdout
    assert "validation 0." in said[""].stdout
    assert FitConfig().select_on == "validation"
    assert Run(runs / NAME / "seed0").config().fit.select_on == "validation"


def test_the_scores_that_select_are_those_of_the_test_split(runs: Path) -> None:
    run = Run(runs / f"{NAME}-selected-on-test" / "seed0")
    result = run.read_json("result.json")
    assert run.config().fit.select_on == result["selected_on"] == "test"
    best = run.metrics()[result["best_epoch"] - 1]
    tested = {e["scenario"]: e["accuracy"] for e in run.evaluations()}
    assert best["selection"] == pytest.approx(tested)
    assert best["selected_on"] == "test"
    honest = Run(runs / NAME / "seed0")
    assert [line["loss"] for line in honest.metrics()] == [line["loss"] for line in run.metrics()]
    assert [line["selection"] for line in honest.metrics()] != [line["selection"] for line in run.metrics()]


def test_every_score_and_table_says_so(runs: Path, said: dict[str, Any]) -> None:
    marked = {run.folder.parent.name: {e["selected_on"] for e in run.evaluations()} for run in find_runs([runs])}
    assert marked == {NAME: {"validation"}, f"{NAME}-selected-on-test": {"test"}}
    lines = [line for line in said["eval"].splitlines() if line.startswith(str(runs))]
    assert [f"({MARK})" in line for line in lines] == ["selected-on-test" in line.split(": ")[0] for line in lines]
    printed = avtrain_("report", runs).replace("\n", " ")
    assert f"(some rows {MARK})" in printed
    rows = [line for line in (runs / "report.md").read_text().splitlines() if line.startswith("| concat")]
    assert sum(MARK in row for row in rows) == len(rows) / 2
    assert "Selected on test." in (runs / "report.html").read_text()
    written = {row["method"] for row in csv.DictReader((runs / "report.csv").open())}
    assert {MARK in name for name in written} == {True, False}


def test_rows_of_both_kinds_share_no_cell_and_no_bold(tmp_path: Path) -> None:
    folder = {"run": "concat/seed0"}
    found = [
        score("concat", "C", 0.5, **folder, selected_on="validation"),
        score("concat", "C", 0.9, **folder, selected_on="test"),
    ]
    page = report(tmp_path, found)
    (results,) = gather(find_runs([tmp_path]))
    assert {entry.selected_on: len(each) for entry, each in results.entries.items()} == {"validation": 1, "test": 1}
    assert "<b>50.0</b>" in page
    assert "<b>90.0</b>" in page
    assert f"concat, {MARK}" in page
    assert "70.0 ±" not in page  # what both together would give


def test_tables_that_are_all_of_one_kind_say_it_once_or_not_at_all(tmp_path: Path) -> None:
    report(tmp_path / "test", [score("map", "D", 0.5, selected_on="test")])
    assert (tmp_path / "test" / "report.md").read_text().startswith(f"### demo ({MARK})")
    assert "Selected on test." not in report(tmp_path / "honest", [score("map", "D", 0.5)])


def test_runs_and_scores_of_earlier_versions_were_selected_on_validation(runs: Path, tmp_path: Path) -> None:
    written = yaml.safe_load((runs / NAME / "seed0" / "config.yaml").read_text())
    del written["fit"]["select_on"]
    assert RunConfig.model_validate(written).fit.select_on == "validation"
    report(tmp_path, [score("map", "D", 0.5)])
    (results,) = gather(find_runs([tmp_path]))
    assert list(results.entries) == [Entry("map", "tiny", "scenarios", None)]


def test_trackers_call_the_scores_by_their_split(runs: Path) -> None:
    from avtrain.training.tracking import scalars

    line = json.loads((runs / f"{NAME}-selected-on-test" / "seed0" / "metrics.jsonl").read_text().splitlines()[0])
    assert scalars(line)["test/D"] == line["selection"]["D"]
    assert not [name for name in scalars(line) if name.startswith("validation")]


def test_what_starts_from_such_a_run_is_such_a_run(runs: Path, small_data: Path, tmp_path: Path) -> None:
    source = runs / f"{NAME}-selected-on-test"
    asked = ("fit", small_data / "manifest.yaml", *TINY, *SMALL, "--epochs", 1, "--init-from", source)
    with pytest.raises(UsageError, match="start from a run selected on validation, or pass --select-on-test"):
        avtrain_(*asked, "--out", tmp_path)
    avtrain_(*asked, "--out", tmp_path, "--select-on-test")
    assert (tmp_path / "urbansound8k-av-finetune-tiny-selected-on-test" / "seed0" / "result.json").exists()
