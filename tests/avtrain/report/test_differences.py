"""Bold cells: the best of each column and all that a paired test cannot tell from it."""

import re
from pathlib import Path

import pytest

from tests.support.predicted import right, rows, write_methods, write_predicted
from tests.support.reports import report, score, view_of
from tests.support.sealed import rewrite

METHODS = {"good": (0.9, 0.8), "same": (0.895, 0.79), "bad": (0.7, 0.5)}


def bold(folder: Path, column: str) -> set[str]:
    (table,) = view_of(folder, []).tables
    return {entry.method for entry in table.rows if table.is_bold(entry, column)}


@pytest.mark.parametrize("column", ["C", "D", "mean"])
def test_what_cannot_be_told_from_the_best_is_bold(tmp_path: Path, column: str) -> None:
    write_methods(tmp_path, METHODS, seeds=(0, 1))
    assert bold(tmp_path, column) == {"good", "same"}


def test_the_table_says_how_and_over_how_many(tmp_path: Path) -> None:
    page = report(write_methods(tmp_path, METHODS, seeds=(0, 1)), [])
    markdown = (tmp_path / "report.md").read_text()
    for text in (page, markdown):
        assert "240 test samples, 2 seeds" in text
        assert re.search(r"not distinguishable from it \(paired bootstrap over 120 groups.*Holm-corrected", text)
    assert markdown.count("**") == 2 * 2 * 3


def test_without_predictions_only_the_highest_mean_is_bold_and_the_table_says_why(tmp_path: Path) -> None:
    write_methods(tmp_path, METHODS, seeds=(0, 1))
    for path in tmp_path.rglob("demo-same/seed1/eval/*.json"):
        rewrite(path, predictions=None)
    assert bold(tmp_path, "D") == {"good"}
    report(tmp_path, [])
    expected = "no predictions of demo-same/seed1; evaluate again to test differences"
    assert expected in (tmp_path / "report.md").read_text()


def test_columns_that_can_be_tested_are_tested(tmp_path: Path) -> None:
    write_methods(tmp_path, METHODS)
    rewrite(tmp_path / "demo-same/seed0/eval/D.json", predictions=None)
    assert bold(tmp_path, "C") == {"good", "same"}
    assert bold(tmp_path, "D") == {"good"}
    (table,) = view_of(tmp_path, []).tables
    assert set(table.tests.p_values) == {"C"}
    assert "Not tested everywhere: no predictions of demo-same/seed0" in table.test_note


def test_rows_selected_on_test_are_no_rivals(tmp_path: Path) -> None:
    write_methods(tmp_path, {"good": (0.9,), "bad": (0.6,)}, scenarios=("D",))
    split = rows()
    e = score("cheat", "D", 0.99, selected_on="test")
    write_predicted(tmp_path, e, split, right(0.99, 240, 0))
    assert bold(tmp_path, "D") == {"good", "cheat"}


def test_a_lone_method_is_bold_without_a_test(tmp_path: Path) -> None:
    write_methods(tmp_path, {"good": (0.9, 0.8)})
    (table,) = view_of(tmp_path, []).tables
    assert not table.tests.p_values
    assert "differences are not tested." in table.test_note
