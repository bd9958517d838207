"""Tables of accuracy: means, deviations, the best of each column, and rows that can be told apart."""

import re
from pathlib import Path

from avtrain.report.sections import accuracy_tables
from tests.support.reports import report, score, severities, view_of


def test_means_deviations_and_the_best_are_in_the_table(tmp_path: Path) -> None:
    finetune = [score("finetune", "D", accuracy, seed=seed) for seed, accuracy in enumerate((0.5, 0.7))]
    page = report(tmp_path, [*finetune, score("map", "D", 0.4)])
    assert "<b>60.0 ± 14.1</b>" in page
    assert ">40.0</td>" in page
    assert "<b>40.0" not in page
    assert re.search(r"<td class=number>2</td></tr>.*<td class=number>1</td></tr>", page)


def test_each_kind_of_inference_is_a_row(tmp_path: Path) -> None:
    modes = {"oracle": 0.9, "concat": 0.7, "router": 0.8}
    page = report(tmp_path, [score("prompt", "D", accuracy, inference=mode) for mode, accuracy in modes.items()])
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    for mode, accuracy in modes.items():
        (row,) = [row for row in rows if f"<td>{mode}</td>" in row]
        assert f"{100 * accuracy:.1f}" in row
        assert f"prompt, {mode}" in page  # in legends
    assert "<i>oracle</i> is given each sample’s true scenario" in page


def test_rows_that_nothing_else_distinguishes_name_their_folder(tmp_path: Path) -> None:
    page = report(tmp_path, [score("map", "D", 0.4, run=f"{name}/seed0") for name in ("long", "short")])
    assert "<small>long</small>" in page
    assert "map, short" in page


def test_another_manifests_scenarios_have_a_table_of_their_own(tmp_path: Path) -> None:
    evaluations = [
        score("map", "D", 0.7),
        score("map", "rain", 0.6, other_manifest="weather"),
        score("map", "fog", 0.3, other_manifest="weather", ops_trained_on=["image blur"]),
        *severities("map", "rain", [0.8], other_manifest="weather"),
    ]
    page = report(tmp_path, evaluations)
    section = accuracy_tables.html(view_of(tmp_path / "view", evaluations))
    assert section in page
    own, other = re.findall(r"<thead>(.*?)</thead>", section, re.DOTALL)
    assert ">D<" in own
    assert ">rain" not in own
    assert "fog†" in other
    assert ">rain<" in other
    assert "Never trained on: scenarios of weather" in page
    assert "rain of weather, never trained on" in page
    markdown = (tmp_path / "report.md").read_text()
    assert "### demo, never trained on: weather" in markdown
    assert "| map (tiny, trained on scenarios) | **30.0** | **60.0** | **45.0** | 1 |" in markdown
