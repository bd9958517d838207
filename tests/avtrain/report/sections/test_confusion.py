"""Confusion: one matrix an entry and scenario, summed over seeds."""

from pathlib import Path

from avtrain.report.sections import confusion
from tests.support.reports import drawings, score, view_of


def test_counts_are_summed_over_seeds(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", name, 0.5, seed=seed) for name in "CD" for seed in (0, 1)])
    drawn = confusion.html(view)
    assert drawn.count("<details>") == 2
    (matrix,) = [svg for svg in drawings(drawn) if svg.get("aria-label") == "map: D"]
    written = [text.text for text in matrix.iter("text")]
    assert {"62", "34", "84", "4", "2", "6", "8"} <= set(written)
