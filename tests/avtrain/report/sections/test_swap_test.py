"""The swap test: a matrix of scenarios by the prompts that were used, and the router's accuracy beside it."""

from pathlib import Path

from tests.support.reports import report, score


def test_the_matrix_has_a_row_for_each_scenario_and_a_column_for_each_set(tmp_path: Path) -> None:
    swaps = {"C": {"C": 0.7, "A": 0.25}, "A": {"C": 0.5, "A": 0.75}}
    evaluations = [
        score("prompt", name, 0.5, seed=seed, run=f"a/seed{seed}", inference="oracle", swap=shift(swap, seed / 10))
        for name, swap in swaps.items()
        for seed in (0, 1)
    ]
    evaluations += [
        score("prompt", name, 0.5, seed=0, run="a/seed0", inference="router", router_accuracy=found)
        for name, found in (("C", 0.125), ("A", 1.0))
    ]
    page = report(tmp_path, evaluations)
    assert "Swap test: prompt, oracle" in page
    assert "<td>C</td><td class=number>75.0</td><td class=number>30.0</td><td class=number>12.5</td>" in page
    assert "<td>A</td><td class=number>55.0</td><td class=number>80.0</td><td class=number>100.0</td>" in page
    markdown = (tmp_path / "report.md").read_text()
    assert "| scenario | C | A | router |" in markdown
    assert "| C | 75.0 | 30.0 | 12.5 |" in markdown


def test_runs_that_were_not_swapped_have_no_matrix(tmp_path: Path) -> None:
    assert "Swap test" not in report(tmp_path, [score("prompt", "D", 0.5, inference="oracle")])


def shift(swap: dict[str, float], by: float) -> dict[str, float]:
    return {name: accuracy + by for name, accuracy in swap.items()}
