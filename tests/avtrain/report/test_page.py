"""The report's page: everything measured is on it, escaped, and nothing is fetched."""

import re
from html import escape
from pathlib import Path

from tests.support.reports import drawings, report, score, severities


def test_the_page_fetches_nothing_and_every_drawing_is_well_formed(tmp_path: Path) -> None:
    methods = [f"method-{number}" for number in range(10)]
    evaluations = [
        evaluation
        for number, method in enumerate(methods)
        for evaluation in (
            score(method, "C", 0.9), score(method, "D", 0.8 - number / 50),
            *severities(method, "D", [0.9, 0.7, 0.5, 0.4, 0.3 - number / 50]),
        )
    ]  # fmt: skip
    page = report(tmp_path, evaluations)
    assert not re.search(r"https?:|src=|href=|<script|@import|url\(", page)
    assert len(page) < 1_000_000
    assert len(drawings(page)) > 30
    for method in methods:
        assert len(re.findall(rf"<th scope=row>.*? {method}</th>", page)) == 1
    swatches = re.findall(r'<li><svg aria-hidden="true"(.*?)</svg>', page)
    assert len(set(swatches)) == 10  # no two look alike


def test_names_are_escaped(tmp_path: Path) -> None:
    bad = '<img onerror="x">&'
    page = report(
        tmp_path,
        [
            score(bad, "D", 0.5, run="a/seed0", backbone=bad, train_on=bad),
            score("prompt", "D", 0.5, inference="router", choice={bad: 0.1, "D": 0.9}),
            score("map", bad, 0.5, other_manifest=bad),
        ],
    )
    assert "<img" not in page
    assert page.count(escape(bad)) > 5
    assert "dog &lt;bark&gt;" in page
    assert len(drawings(page)) > 8


def test_a_leaky_split_is_warned_of(tmp_path: Path) -> None:
    assert "Leaky split." in report(tmp_path / "leaky", [score("map", "D", 0.5, leaky=True)])
    assert "Leaky split." not in report(tmp_path / "honest", [score("map", "D", 0.5)])


def test_scores_under_another_manifest_alone_make_a_page(tmp_path: Path) -> None:
    rain = [score("map", "rain", 0.6, other_manifest="weather")]
    page = report(tmp_path, [*rain, *severities("map", "rain", [0.7, 0.5], other_manifest="weather")])
    assert "Never trained on: scenarios of weather" in page
    assert "Robustness" in page
    assert "Confusion" not in page
