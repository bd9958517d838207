"""Curves over severity: every point at its height, clean data first, one chart a scenario and manifest."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.reports import drawings, report, score, severities


def test_severities_are_a_curve_and_no_column(tmp_path: Path) -> None:
    accuracies = [0.9, 0.8, 0.7, 0.6, 0.5]
    page = report(tmp_path, [score("map", "C", 0.95), score("map", "D", 0.7), *severities("map", "D", accuracies)])
    head = re.search(r"<thead>(.*?)</thead>", page, re.DOTALL)
    assert head is not None
    assert "severity" not in head[1]
    (curve,) = [svg for svg in drawings(page) if svg.get("aria-label") == "D"]
    tooltips = [title.text for title in curve.iter("title")]
    assert tooltips == [
        f"map: {100 * accuracy:.1f} % at {severity}, n = 1" for severity, accuracy in enumerate([0.95, *accuracies])
    ]
    (line,) = [path for path in curve.iter("path") if (path.get("class") or "").startswith("line")]
    heights = [float(pair.split()[1]) for pair in (line.get("d") or "").strip("M").split("L")]
    assert np.corrcoef(heights, [0.95, *accuracies])[0, 1] == pytest.approx(-1)  # pixels count downwards
    lines = {row["scenario"]: row for row in csv.DictReader((tmp_path / "report.csv").open())}
    assert set(lines) == {"C", "D", "mean", *(f"D-severity{s}" for s in range(1, 6))}
    assert float(lines["D-severity4"]["accuracy_mean"]) == 0.6
    assert (lines["D-severity4"]["severity"], lines["D"]["severity"]) == ("4", "")
    assert "severity" not in (tmp_path / "report.md").read_text()


def test_one_name_in_two_manifests_makes_two_curves(tmp_path: Path) -> None:
    own = [score("map", "D", 0.7), *severities("map", "D", [0.9, 0.8])]
    weather = {"other_manifest": "weather", "scenario_hash": "another"}
    other = [score("map", "D", 0.2, **weather), *severities("map", "D", [0.3, 0.1], **weather)]
    page = report(tmp_path, [*own, *other])
    tooltips = {svg.get("aria-label"): [title.text for title in svg.iter("title")] for svg in drawings(page)}
    assert tooltips["D"] == ["map: 90.0 % at 1, n = 1", "map: 80.0 % at 2, n = 1"]
    assert tooltips["D of weather, never trained on"] == ["map: 30.0 % at 1, n = 1", "map: 10.0 % at 2, n = 1"]
