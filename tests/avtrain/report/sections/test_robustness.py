"""Relative accuracy, mCE and the area under the severity curve, against their definitions."""

from pathlib import Path

import pytest

from avbuild.errors import UsageError
from avtrain.report.results import gather
from avtrain.report.robustness import area, robustness
from avtrain.report.sections import robustness as section
from avtrain.report.view import build_view
from avtrain.runs.search import find_runs
from tests.avtrain.training.test_fit import avtrain_
from tests.support.reports import report, score, severities, view_of

SCORES = [
    *(score("map", name, value) for name, value in (("C", 0.9), ("A", 0.6), ("V", 0.75))),
    *(score("linear-probe", name, value) for name, value in (("C", 0.8), ("A", 0.5), ("V", 0.5))),
]


def test_relative_accuracy_and_corruption_error(tmp_path: Path) -> None:
    view = view_of(tmp_path, SCORES)
    by_method = {entry.method: found for entry, found in robustness(view).items()}
    assert by_method["map"].corrupted.values == pytest.approx([0.675])
    assert by_method["map"].relative.values == pytest.approx([0.75])
    assert by_method["map"].corruption_error is not None
    assert by_method["map"].corruption_error.values == pytest.approx([(0.4 / 0.5 + 0.25 / 0.5) / 2])
    assert by_method["linear-probe"].corruption_error is not None
    assert by_method["linear-probe"].corruption_error.values == pytest.approx([1.0])
    assert "| map | 90.0 | 67.5 | 75.0 | 65.0 | 1 |" in section.markdown(view)
    assert "that of the baseline, linear-probe (100" in section.html(view)


def test_errors_are_summed_over_severities_as_imagenet_c_does(tmp_path: Path) -> None:
    graded = [*severities("map", "A", [0.8, 0.6]), *severities("linear-probe", "A", [0.7, 0.1])]
    scores = [e for e in SCORES if e["scenario"] != "V"]
    (found,) = [r for e, r in robustness(view_of(tmp_path, [*scores, *graded])).items() if e.method == "map"]
    assert found.corruption_error is not None
    assert found.corruption_error.values == pytest.approx([(0.2 + 0.4) / (0.3 + 0.9)])
    assert found.areas["A"].values == pytest.approx([((0.9 + 0.8) / 2 + (0.8 + 0.6) / 2) / 2])


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [({0: 1.0, 5: 0.0}, 0.5), ({1: 0.4, 5: 0.4}, 0.4), ({0: 0.9, 1: 0.9, 5: 0.1}, (0.9 + 4 * 0.5) / 5)],
)
def test_the_area_is_that_of_trapezoids(accuracies: dict[int, float], expected: float) -> None:
    assert area(accuracies) == pytest.approx(expected)


def test_values_are_over_seeds(tmp_path: Path) -> None:
    scores = [
        score("map", name, value + seed / 10, seed=seed) for name, value in (("C", 0.8), ("A", 0.4)) for seed in (0, 1)
    ]
    (found,) = robustness(view_of(tmp_path, scores)).values()
    assert found.relative.values == pytest.approx([0.4 / 0.8, 0.5 / 0.9])
    assert found.corruption_error is not None
    assert found.corruption_error.values == pytest.approx([0.6 / 0.55, 0.5 / 0.55])


def test_a_baseline_without_errors_gives_no_corruption_error(tmp_path: Path) -> None:
    perfect = [score("linear-probe", name, 1.0) for name in ("C", "A")]
    found = robustness(view_of(tmp_path, [*perfect, score("map", "C", 0.9), score("map", "A", 0.6)]))
    assert [each.corruption_error for each in found.values()] == [None, None]


def test_without_clean_or_corrupted_data_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert ">Robustness<" not in report(tmp_path / "clean", [score("map", "C", 0.9)])
    assert ">Robustness<" not in report(tmp_path / "corrupted", [score("map", "A", 0.9)])


def test_the_baseline_can_be_chosen(tmp_path: Path) -> None:
    report(tmp_path, SCORES)
    avtrain_("report", tmp_path, "--baseline", "map")
    assert "that of the baseline, map (100" in (tmp_path / "report.md").read_text()
    with pytest.raises(
        UsageError, match=r"--baseline film: nothing here is named so.*allowed are\n  linear-probe\n  map"
    ):
        avtrain_("report", tmp_path, "--baseline", "film")
    (results,) = gather(find_runs([tmp_path]))
    assert build_view(results).baseline.method == "linear-probe"
