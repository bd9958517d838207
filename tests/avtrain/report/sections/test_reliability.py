"""Reliability: predictions of all scenarios and seeds together."""

from pathlib import Path

from avtrain.report.sections import reliability
from tests.support.reports import score, view_of


def test_bins_are_pooled_over_scenarios_and_seeds(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", name, 0.5, seed=seed) for name in "CD" for seed in (0, 1)])
    drawn = reliability.html(view)
    assert "map: error 25.0 %" in drawn
    assert "confidence 50.0%, accuracy 75.0%, 160 predictions" in drawn  # 40 in each of two scenarios, two seeds
