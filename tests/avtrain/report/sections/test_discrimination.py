"""Conditions that cannot tell methods apart are named, in the section, in the table and on the terminal."""

from pathlib import Path

import pytest

from avtrain.report.sections import discrimination
from tests.avtrain.training.test_fit import avtrain_
from tests.support.predicted import write_methods
from tests.support.reports import report, score, view_of


def test_a_condition_under_which_all_score_alike_is_named(tmp_path: Path) -> None:
    runs = write_methods(tmp_path, {"a": (0.9, 0.8), "b": (0.9, 0.5), "c": (0.9, 0.6)}, seeds=(0, 1))
    (table,) = view_of(runs, []).tables
    assert table.range("D") == pytest.approx(0.3)
    same, apart = table.discrimination("C"), table.discrimination("D")
    assert same is not None
    assert apart is not None
    assert same < 2 < apart
    assert apart == pytest.approx(0.3 / table.tests.standard_errors["D"])
    markdown = discrimination.markdown(view_of(runs, []))
    lines = {line.split(" | ")[0]: line for line in markdown.splitlines()}
    assert lines["| C"].endswith("| cannot tell these methods apart |")
    assert lines["| D"].endswith(f"| {apart:.1f} |  |")
    printed = avtrain_("report", runs).replace("\n", " ")
    assert "Cannot tell these methods apart: C." in " ".join(printed.split())


def test_pairing_makes_a_difference_surer(tmp_path: Path) -> None:
    """Two methods for which the same samples are hard differ more surely than on samples of their own."""
    write_methods(tmp_path, {"a": (0.8,)}, scenarios=("D",), n=1000)
    write_methods(tmp_path, {"b": (0.6,)}, scenarios=("D",), n=1000)
    (table,) = view_of(tmp_path, []).tables
    error = table.tests.standard_errors["D"]
    assert 0 < error < ((0.8 * 0.2 + 0.6 * 0.4) / 1000) ** 0.5


def test_without_predictions_there_is_nothing_to_say(tmp_path: Path) -> None:
    page = report(tmp_path, [score("a", "D", 0.5), score("b", "D", 0.9)])
    assert "Discrimination" not in page
