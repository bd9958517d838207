"""Mean accuracy by the number of trainable parameters."""

from pathlib import Path

from avtrain.report.sections import trainable_parameters
from tests.support.reports import score, view_of


def test_an_entry_is_a_point_at_its_number_of_parameters(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", name, 0.5, seed=seed) for name in "CD" for seed in (0, 1)])
    assert "map: 50.0 ± 0.0 % at 12,345, n = 2" in trainable_parameters.html(view)


def test_an_entry_without_all_scenarios_has_no_mean_and_no_point(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", "C", 0.5), score("map", "D", 0.5), score("lora", "C", 0.9)])
    drawn = trainable_parameters.html(view)
    assert "map: 50.0 %" in drawn
    assert "lora" not in drawn
