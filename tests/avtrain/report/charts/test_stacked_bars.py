"""Stacked bars: segments fill the bar."""

import re

from avtrain.report.charts.stacked_bars import stacked_bars


def test_segments_fill_the_bar() -> None:
    drawn = stacked_bars("", {"D": {"C": 0.25, "D": 0.75}}, ["C", "D"])
    rectangles = [(float(x), float(w)) for x, w in re.findall(r'<rect .*?x="([\d.]+)".*?width="([\d.]+)"', drawn)]
    assert sum(width for _, width in rectangles) == 380
    assert rectangles[0][0] + rectangles[0][1] == rectangles[1][0]
