"""Reliability: predictions of all scenarios and seeds together, and errors before and after calibration."""

from pathlib import Path
from typing import Any

from avtrain.report.sections import reliability
from tests.support.reports import BINS, EMPTY_BIN, score, view_of


def test_bins_are_pooled_over_scenarios_and_seeds(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", name, 0.5, seed=seed) for name in "CD" for seed in (0, 1)])
    drawn = reliability.html(view)
    assert "map: error 25.0 %" in drawn
    assert "confidence 50.0%, accuracy 75.0%, 160 predictions" in drawn  # 40 in each of two scenarios, two seeds


def calibrated(scenario: str, seed: int, loss: float) -> dict[str, Any]:
    """Return an evaluation whose calibration took the error from 25 % to 5 %."""
    bins = [*[EMPTY_BIN] * 10, {"confidence": 0.7, "accuracy": 0.75, "count": 40}, *[EMPTY_BIN] * 4]
    before = {"reliability": BINS, "negative_log_likelihood": loss + 1, "brier_score": 0.6}
    after = {"reliability": bins, "negative_log_likelihood": loss, "brier_score": 0.5}
    return score("map", scenario, 0.5, seed=seed, **after, uncalibrated=before)


def test_the_table_has_errors_before_and_after_by_scenario(tmp_path: Path) -> None:
    evaluations = [calibrated("C", seed, 0.5 + seed) for seed in (0, 1)] + [score("map", "D", 0.5)]
    text = reliability.markdown(view_of(tmp_path, evaluations))
    rows = [line for line in text.splitlines() if line.startswith("| map")]
    assert rows == [
        "| map | ECE, % | 25.0 → 5.00 | 25.0 | 2 |",  # D is of an earlier version
        "| map | ECE floor, % | 5.74 | 6.27 | 2 |",  # 40 predictions at 0.7 and 0.5
        "| map | NLL | 2.00 → 1.00 | – | 2 |",
        "| map | Brier | 0.60 → 0.50 | – | 2 |",
    ]
    assert "| method | measure | C | D | n |" in text
    assert "25.0 → 5.00" in reliability.html(view_of(tmp_path / "again", evaluations))


def test_nothing_is_shown_of_nothing(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", "X", 0.5, listed=False)])
    assert (reliability.html(view), reliability.markdown(view)) == ("", "")
