"""The report's page: everything measured is on it, escaped, drawn where it belongs, and nothing is fetched."""

import csv
import json
import re
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from avbuild.errors import UserError
from avtrain.report.charts.counts import confusion_chart, stacked_bars
from avtrain.report.charts.lines import Axis, Field, Point, count_axis, line_chart, percent_axis, whole_axis, zero_axis
from avtrain.report.writer import write_report

CLASSES = ["dog <bark>", "cat & mouse", "horse"]
BINS = [{"confidence": None, "accuracy": None, "count": 0}] * 15
BINS = [*BINS[:7], {"confidence": 0.5, "accuracy": 0.75, "count": 40}, *BINS[8:]]


def score(method: str, scenario: str, accuracy: float, **more: Any) -> dict[str, Any]:
    """One evaluation, as far as a report reads it."""
    facts = {
        "manifest": "demo", "other_manifest": None, "scenario": scenario, "base_scenario": scenario,
        "severity": 0 if scenario == "C" else None, "listed": True, "scenario_hash": scenario, "ops_trained_on": [],
        "split": {}, "leaky": False, "method": method, "backbone": "tiny", "train_on": "scenarios", "seed": 0,
        "inference": None, "trainable_parameters": 12_345, "accuracy": accuracy, "reliability": BINS,
        "classes": CLASSES, "confusion": [[31, 2, 1], [0, 17, 3], [4, 0, 42]], "choice": None,
    }  # fmt: skip
    facts |= more
    return facts | {"run": more.get("run", f"demo-{method}/seed{facts['seed']}")}


def report(folder: Path, evaluations: list[dict[str, Any]]) -> str:
    """The page of such evaluations."""
    for number, evaluation in enumerate(evaluations):
        run = folder / evaluation["run"]
        (run / "eval").mkdir(parents=True, exist_ok=True)
        (run / "config.yaml").touch()
        (run / "eval" / f"{number}.json").write_text(json.dumps(evaluation))
    write_report(folder)
    return (folder / "report.html").read_text()


def severities(method: str, scenario: str, accuracies: list[float], **more: Any) -> list[dict[str, Any]]:
    return [
        score(method, f"{scenario}-severity{s}", a, base_scenario=scenario, severity=s, listed=False, **more)
        for s, a in enumerate(accuracies, 1)
    ]


def drawings(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_means_deviations_and_the_best_are_in_the_table(tmp_path: Path) -> None:
    finetune = [score("finetune", "D", accuracy, seed=seed) for seed, accuracy in enumerate((0.5, 0.7))]
    page = report(tmp_path, [*finetune, score("map", "D", 0.4)])
    assert "<b>60.0 ± 14.1</b>" in page
    assert ">40.0</td>" in page
    assert "<b>40.0" not in page
    assert re.search(r"<td class=number>2</td></tr>.*<td class=number>1</td></tr>", page)


def test_ways_to_infer_are_rows_of_their_own(tmp_path: Path) -> None:
    modes = {"oracle": 0.9, "concat": 0.7, "router": 0.8}
    page = report(tmp_path, [score("prompt", "D", accuracy, inference=mode) for mode, accuracy in modes.items()])
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    for mode, accuracy in modes.items():
        (row,) = [row for row in rows if f"<td>{mode}</td>" in row]
        assert f"{100 * accuracy:.1f}" in row
        assert f"prompt, {mode}" in page  # in legends
    assert "<i>oracle</i> is told" in page


def test_rows_that_nothing_else_tells_apart_have_their_folder(tmp_path: Path) -> None:
    page = report(tmp_path, [score("map", "D", 0.4, run=f"{name}/seed0") for name in ("long", "short")])
    assert "<small>long</small>" in page
    assert "map, short" in page


def test_severities_are_a_curve_and_no_column(tmp_path: Path) -> None:
    accuracies = [0.9, 0.8, 0.7, 0.6, 0.5]
    found = [score("map", "C", 0.95), score("map", "D", 0.7), *severities("map", "D", accuracies)]
    page = report(tmp_path, found)
    head = re.search(r"<thead>(.*?)</thead>", page, re.DOTALL)
    assert head is not None
    assert "severity" not in head[1]
    (curve,) = [svg for svg in drawings(page) if svg.get("aria-label") == "D"]
    said = [title.text for title in curve.iter("title")]
    assert said == [
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
    strange = {"other_manifest": "weather", "scenario_hash": "another"}
    page = report(tmp_path, [*own, score("map", "D", 0.2, **strange), *severities("map", "D", [0.3, 0.1], **strange)])
    said = {svg.get("aria-label"): [title.text for title in svg.iter("title")] for svg in drawings(page)}
    assert said["D"] == ["map: 90.0 % at 1, n = 1", "map: 80.0 % at 2, n = 1"]
    assert said["D of weather, never trained on"] == ["map: 30.0 % at 1, n = 1", "map: 10.0 % at 2, n = 1"]


def test_another_manifests_scenarios_have_a_table_of_their_own(tmp_path: Path) -> None:
    found = [
        score("map", "D", 0.7),
        score("map", "rain", 0.6, other_manifest="weather"),
        score("map", "fog", 0.3, other_manifest="weather", ops_trained_on=["image blur"]),
        *severities("map", "rain", [0.8], other_manifest="weather"),
    ]
    page = report(tmp_path, found)
    own, other = re.findall(r"<thead>(.*?)</thead>", page, re.DOTALL)
    assert ">D<" in own
    assert ">rain" not in own
    assert "fog†" in other
    assert ">rain<" in other
    assert "Never trained on: scenarios of weather" in page
    assert "rain of weather, never trained on" in page
    markdown = (tmp_path / "report.md").read_text()
    assert "### demo, never trained on: weather" in markdown
    assert "| map (tiny, trained on scenarios) | **30.0** | **60.0** | **45.0** | 1 |" in markdown


def test_what_a_router_chose_is_stacked_by_true_scenario(tmp_path: Path) -> None:
    choices = {"C": {"C": 0.7, "A": 0.3}, "A": {"C": 0.2, "A": 0.8}}
    page = report(
        tmp_path,
        [score("prompt", name, 0.5, inference="router", choice=choice) for name, choice in choices.items()],
    )
    assert "What the router chose" in page
    (chart,) = [svg for svg in drawings(page) if svg.findall(".//rect")]
    said = [title.text for title in chart.iter("title")]
    assert "A: 80.0% from the prompts of A" in said
    widths = [float(rect.get("width") or 0) for rect in chart.iter("rect")]
    assert np.array(widths) / 380 == pytest.approx([0.7, 0.3, 0.2, 0.8], abs=1e-3)
    assert "What the router chose" not in report(tmp_path / "other", [score("map", "D", 0.5)])


def test_reliability_confusion_and_parameters_are_drawn(tmp_path: Path) -> None:
    page = report(tmp_path, [score("map", name, 0.5, seed=seed) for name in "CD" for seed in (0, 1)])
    assert "map: error 25.0 %" in page
    assert "confidence 50.0%, accuracy 75.0%, 160 predictions" in page  # two scenarios, two seeds
    assert page.count("<details>") == 2
    (matrix,) = [svg for svg in drawings(page) if svg.get("aria-label") == "map: D"]
    written = [text.text for text in matrix.iter("text")]
    assert {"62", "34", "84", "4", "2", "6", "8"} <= set(written)
    assert "map: 50.0 ± 0.0 % at 12,345, n = 2" in page


def test_the_page_fetches_nothing_and_every_drawing_is_well_formed(tmp_path: Path) -> None:
    methods = [f"method-{number}" for number in range(10)]
    found = [
        one
        for number, method in enumerate(methods)
        for one in (
            score(method, "C", 0.9), score(method, "D", 0.8 - number / 50),
            *severities(method, "D", [0.9, 0.7, 0.5, 0.4, 0.3 - number / 50]),
        )
    ]  # fmt: skip
    page = report(tmp_path, found)
    assert not re.search(r"https?:|src=|href=|<script|@import|url\(", page)
    assert len(page) < 1_000_000
    assert len(drawings(page)) > 30
    for method in methods:
        assert len(re.findall(rf"<th scope=row>.*? {method}</th>", page)) == 1
    signs = re.findall(r'<li><svg aria-hidden="true"(.*?)</svg>', page)
    assert len(set(signs)) == 10  # no two look alike


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
    assert "Leaky split." not in report(tmp_path / "sound", [score("map", "D", 0.5)])


def test_scores_under_another_manifest_alone_make_a_page(tmp_path: Path) -> None:
    rain = [score("map", "rain", 0.6, other_manifest="weather")]
    page = report(tmp_path, [*rain, *severities("map", "rain", [0.7, 0.5], other_manifest="weather")])
    assert "Never trained on: scenarios of weather" in page
    assert "Robustness" in page
    assert "Confusion" not in page


def test_evaluations_of_an_earlier_version_are_refused(tmp_path: Path) -> None:
    old = {key: value for key, value in score("map", "D", 0.5).items() if key != "inference"}
    with pytest.raises(UserError, match=r"written by an earlier version of avtrain.*delete that folder"):
        report(tmp_path, [old])


@pytest.mark.parametrize(
    ("values", "low", "high"), [([43.0, 71.0], 40, 80), ([100.0], 90, 100), ([0.0], 0, 10), ([-3.0, 104.0], 0, 100)]
)
def test_an_axis_of_accuracies_ends_at_whole_tens(values: list[float], low: int, high: int) -> None:
    axis = percent_axis("%", values)
    assert (axis.low, axis.high) == (low, high)
    assert {low, high} <= set(axis.ticks)


def test_an_axis_of_counts_is_logarithmic() -> None:
    axis = count_axis("parameters", [2_000, 3_000_000])
    assert list(axis.ticks.values()) == ["1k", "10k", "100k", "1M", "10M"]
    assert axis.share(1e5) == pytest.approx(0.5)
    assert count_axis("", [1000]).share(1000) == 0


def test_a_point_is_drawn_where_its_value_lies() -> None:
    ends = Axis("severity", 0, 5, {}), Axis("%", 0, 100, {})
    field = Field("", *ends, width=370, height=270)
    (left, bottom), (right, top) = field.place(0, 0), field.place(5, 100)
    assert (left, bottom, right, top) == (50, 226, 350, 12)
    assert field.place(2.5, 25) == (200, 172.5)
    whisker = re.search(r"M200.0 ([\d.]+)V([\d.]+)", line_chart(field, {0: [Point(2.5, 25, 10)]}))
    assert whisker is not None
    assert [float(end) for end in whisker.groups()] == pytest.approx([193.9, 151.1])


def test_many_classes_stay_a_small_drawing() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (100, 100)).tolist()
    drawn = confusion_chart("", [f"class {number}" for number in range(100)], counts)
    assert len(drawn) < 300_000
    assert "class 7" not in drawn


def test_shares_fill_the_bar() -> None:
    drawn = stacked_bars("", {"D": {"C": 0.25, "D": 0.75}}, ["C", "D"])
    rectangles = [(float(x), float(w)) for x, w in re.findall(r'<rect .*?x="([\d.]+)".*?width="([\d.]+)"', drawn)]
    assert sum(width for _, width in rectangles) == 380
    assert rectangles[0][0] + rectangles[0][1] == rectangles[1][0]


def test_an_axis_from_zero_ends_at_a_round_number() -> None:
    axis = zero_axis("norm", [0.013, 0.034])
    assert (axis.low, axis.high) == (0, 0.04)
    assert list(axis.ticks.values()) == ["0", "0.01", "0.02", "0.03", "0.04"]
    assert zero_axis("norm", [0.0, 0.0]).high > 0


@pytest.mark.parametrize(("last", "named"), [(1, [1]), (3, [1, 2, 3]), (100, [1, 13, 25, 37, 49, 61, 73, 85, 97])])
def test_an_axis_of_epochs_names_nine_at_most(last: int, named: list[int]) -> None:
    axis = whole_axis("epoch", range(1, last + 1))
    assert list(axis.ticks) == named
    assert 0 < axis.share(1) <= axis.share(last) < 1
