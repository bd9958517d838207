"""What a router chose: one bar a true scenario."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.reports import drawings, report, score


def test_what_a_router_chose_is_stacked_by_true_scenario(tmp_path: Path) -> None:
    choices = {"C": {"C": 0.7, "A": 0.3}, "A": {"C": 0.2, "A": 0.8}}
    page = report(
        tmp_path,
        [score("prompt", name, 0.5, inference="router", choice=choice) for name, choice in choices.items()],
    )
    assert "What the router chose" in page
    (chart,) = [svg for svg in drawings(page) if svg.findall(".//rect")]
    tooltips = [title.text for title in chart.iter("title")]
    assert "A: 80.0% from the prompts of A" in tooltips
    widths = [float(rect.get("width") or 0) for rect in chart.iter("rect")]
    assert np.array(widths) / 380 == pytest.approx([0.7, 0.3, 0.2, 0.8], abs=1e-3)
    assert "What the router chose" not in report(tmp_path / "other", [score("map", "D", 0.5)])
