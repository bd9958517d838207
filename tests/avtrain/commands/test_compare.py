"""compare: which differences are real, and which runs cannot be paired."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbuild.errors import UsageError, UserError
from avtrain.evaluation.significance import holm
from tests.avtrain.training.test_fit import avtrain_
from tests.support.predicted import right, rows, write_methods, write_predicted
from tests.support.reports import score
from tests.support.sealed import rewrite

METHODS = {"good": (0.9, 0.8), "same": (0.9, 0.79), "bad": (0.7, 0.5)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_methods(tmp_path / "runs", METHODS, seeds=(0, 1))


def compared(*arguments: object) -> list[dict[str, Any]]:
    (table,) = json.loads(avtrain_("compare", *arguments, "--format", "json"))["tables"]
    found: list[dict[str, Any]] = table["comparisons"]
    return found


def test_every_pair_is_compared_and_the_verdict_is_right(runs: Path) -> None:
    found = compared(runs)
    pairs = [("bad", "good"), ("bad", "same"), ("good", "same")]
    assert [(e["scenario"], e["method"], e["baseline"]) for e in found] == [
        (name, *pair) for name in ("C", "D", "mean") for pair in pairs
    ]
    for e in found:
        assert e["low"] <= e["difference"] <= e["high"]
        assert e["verdict"] == ("no difference shown" if e["method"] == "good" else "worse")
        assert (e["samples"], e["groups"], e["seeds_method"]) == (240, 120, 2)
    by_name = {(e["scenario"], e["method"]): e["difference"] for e in found if e["baseline"] == "good"}
    assert by_name == pytest.approx({("C", "bad"): -0.2, ("D", "bad"): -0.3, ("mean", "bad"): -0.25})


def test_p_values_are_corrected_over_the_comparisons_made(runs: Path) -> None:
    for asked in ((), ("--baseline", "good"), ("--scenario", "D")):
        found = compared(runs, *asked)
        assert [e["p"] for e in found] == pytest.approx(holm([e["p_uncorrected"] for e in found]))
        counted = [e for e in found if e["p_mcnemar"] is not None]
        assert [e["p_mcnemar"] for e in counted] == pytest.approx(holm([e["p_mcnemar_uncorrected"] for e in counted]))
    assert len(compared(runs, "--baseline", "good")) == 6
    assert {e["baseline"] for e in compared(runs, "--baseline", "good")} == {"good"}
    assert {e["scenario"] for e in compared(runs, "--scenario", "D,mean")} == {"D", "mean"}


def test_it_is_the_same_every_time_and_does_not_depend_on_the_others(runs: Path, tmp_path: Path) -> None:
    assert avtrain_("compare", runs, "--format", "csv") == avtrain_("compare", runs, "--format", "csv")
    two = write_methods(tmp_path / "two", {m: METHODS[m] for m in ("good", "same")}, seeds=(0, 1))
    alone = {e["scenario"]: e["difference"] for e in compared(two)}
    among = {e["scenario"]: e["difference"] for e in compared(runs) if e["method"] == "good"}
    assert alone == among


def test_all_formats_say_the_same(runs: Path) -> None:
    found = compared(runs)
    lines = list(csv.DictReader(io.StringIO(avtrain_("compare", runs, "--format", "csv"))))
    assert [float(line["p"]) for line in lines] == [e["p"] for e in found]
    markdown = avtrain_("compare", runs, "--format", "markdown")
    assert "| C | bad | good | −20.0 |" in markdown
    assert "240 test samples in 120 groups; seeds of each method: 2" in markdown
    latex = avtrain_("compare", runs, "--format", "latex")
    assert r"C & bad & good & \textbf{$-$20.0} &" in latex
    assert latex.count(r" \\") == 1 + len(found)
    assert avtrain_("compare", runs).count("│ worse") == sum(e["verdict"] == "worse" for e in found) == 6


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"n": 200}, r"40 of demo-good/seed0 on C are not in it \(clip200\)"),
        ({"prefix": "other"}, r"240 of .* are not in it \(clip0\) and 240 of its samples are not in .* \(other0\)"),
        ({"of_one_recording": 3}, "its groups are not those of demo-good/seed0 on C"),
    ],
)
def test_runs_on_other_samples_are_refused(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    write_methods(tmp_path, {"good": (0.9,)}, scenarios=("C",))
    split = rows(**change)
    write_predicted(tmp_path, score("other", "C", 0.8), split, right(0.8, len(split.samples), 0))
    with pytest.raises(UserError, match=expected):
        avtrain_("compare", tmp_path)
    avtrain_("report", tmp_path)
    assert "differences are not tested: test samples differ" in (tmp_path / "report.md").read_text()


def test_runs_on_different_folds_with_one_seed_are_put_together(tmp_path: Path) -> None:
    for method, accuracy in (("good", 0.9), ("bad", 0.6)):
        for fold in (1, 2):
            split = rows(100, prefix=f"fold{fold}-clip")
            e = score(method, "D", accuracy, run=f"demo-{method}/fold{fold}")
            write_predicted(tmp_path, e, split, right(accuracy, 100, fold))
    (found,) = compared(tmp_path, "--scenario", "D")
    assert found["samples"] == 200
    assert found["verdict"] == "worse"


def test_runs_without_predictions_are_to_be_evaluated_again(runs: Path) -> None:
    rewrite(runs / "demo-bad/seed1/eval/D.json", predictions=None)
    with pytest.raises(UserError, match=r"demo-bad/seed1/eval/D\.predictions\.parquet: absent.*avtrain eval"):
        avtrain_("compare", runs)
    assert len(compared(runs, "--scenario", "C")) == 3


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("--baseline", "goood"), r'nothing here is named so; did you mean "good"\?'),
        (("--scenario", "X"), "--scenario X: not evaluated.* have C, D, mean"),
        (("--scenario", ","), "names no scenario"),
        (("--format", "latx"), r'--format latx: allowed are .*did you mean "latex"\?'),
    ],
)
def test_what_cannot_be_compared_is_refused(runs: Path, asked: tuple[str, ...], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        avtrain_("compare", runs, *asked)


def test_one_method_alone_is_not_compared(runs: Path) -> None:
    with pytest.raises(UsageError, match="is the only method here; compare at least two"):
        avtrain_("compare", runs / "demo-good")


def test_a_baseline_that_several_methods_are_named_by_is_refused(tmp_path: Path) -> None:
    split = rows()
    for mode in ("concat", "router"):
        e = score("prompt", "C", 0.5, inference=mode)
        write_predicted(tmp_path, e, split, right(0.5, 240, 0))
    with pytest.raises(UsageError, match="several are named so; allowed are\n  prompt, concat\n  prompt, router"):
        avtrain_("compare", tmp_path, "--baseline", "prompt")
    assert compared(tmp_path, "--baseline", "prompt, router")[0]["p"] == 1.0
    assert np.isfinite(compared(tmp_path)[0]["low"])


def test_one_inference_mode_is_compared_where_it_is_asked_for(tmp_path: Path) -> None:
    for mode in ("concat", "router"):
        write_predicted(tmp_path, score("prompt", "C", 0.5, inference=mode), rows(), right(0.5, 240, 0))
    write_predicted(tmp_path, score("good", "C", 0.9), rows(), right(0.9, 240, 0))
    assert len(compared(tmp_path)) == 3
    (only,) = compared(tmp_path, "--inference", "router", "--baseline", "prompt")
    assert (only["method"], only["baseline"], only["p"]) == ("good", "prompt, router", only["p_uncorrected"])
    with pytest.raises(UsageError, match=r'no runs were evaluated with "oracel"; allowed are concat, router'):
        avtrain_("compare", tmp_path, "--inference", "oracel")


def test_an_inference_mode_leaves_manifests_without_prompts_as_they_are(tmp_path: Path) -> None:
    for mode in ("concat", "router"):
        write_predicted(tmp_path, score("prompt", "C", 0.5, inference=mode), rows(), right(0.5, 240, 0))
    write_predicted(tmp_path, score("good", "C", 0.9), rows(), right(0.9, 240, 0))
    for method, accuracy in (("plain", 0.6), ("other", 0.7)):
        other = score(method, "C", accuracy, manifest="second", run=f"second-{method}/seed0")
        write_predicted(tmp_path, other, rows(), right(accuracy, 240, 0))
    tables = json.loads(avtrain_("compare", tmp_path, "--inference", "router", "--format", "json"))["tables"]
    assert sorted((e["method"], e["baseline"]) for table in tables for e in table["comparisons"]) == [
        ("good", "prompt, router"), ("other", "plain"),
    ]  # fmt: skip


def test_one_scenario_is_compared_once_and_not_as_its_own_mean(tmp_path: Path) -> None:
    for method, accuracy in (("good", 0.9), ("bad", 0.5)):
        write_predicted(tmp_path, score(method, "C", accuracy), rows(), right(accuracy, 240, 0))
    (only,) = compared(tmp_path)
    assert (only["scenario"], only["p"]) == ("C", only["p_uncorrected"])


def test_few_groups_are_warned_of(tmp_path: Path) -> None:
    for of_one_recording, warned in ((24, False), (60, True)):  # 10 and 4 groups
        folder = tmp_path / str(of_one_recording)
        for method, accuracy in (("good", 0.9), ("bad", 0.5)):
            e = score(method, "C", accuracy)
            write_predicted(folder, e, rows(of_one_recording=of_one_recording), right(accuracy, 240, 0))
        assert ("fewer than 10 groups" in avtrain_("compare", folder, "--format", "markdown")) is warned
