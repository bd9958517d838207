"""Line charts: a point is drawn where its value lies."""

import re

import pytest

from avtrain.report.charts.axis import Axis
from avtrain.report.charts.lines import Point, line_chart
from avtrain.report.charts.plot_area import PlotArea


def test_a_point_is_drawn_where_its_value_lies() -> None:
    area = PlotArea("", Axis("severity", 0, 5, {}), Axis("%", 0, 100, {}), width=370, height=270)
    (left, bottom), (right, top) = area.to_pixels(0, 0), area.to_pixels(5, 100)
    assert (left, bottom, right, top) == (50, 226, 350, 12)
    assert area.to_pixels(2.5, 25) == (200, 172.5)
    whisker = re.search(r"M200.0 ([\d.]+)V([\d.]+)", line_chart(area, {0: [Point(2.5, 25, 10)]}))
    assert whisker is not None
    assert [float(end) for end in whisker.groups()] == pytest.approx([193.9, 151.1])
