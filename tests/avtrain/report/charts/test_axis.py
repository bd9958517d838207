"""Axes: ends at round numbers, and few ticks."""

import pytest

from avtrain.report.charts.axis import axis_from_zero, integer_axis, log_axis, percent_axis


@pytest.mark.parametrize(
    ("values", "low", "high"), [([43.0, 71.0], 40, 80), ([100.0], 90, 100), ([0.0], 0, 10), ([-3.0, 104.0], 0, 100)]
)
def test_an_axis_of_accuracies_ends_at_whole_tens(values: list[float], low: int, high: int) -> None:
    axis = percent_axis("%", values)
    assert (axis.low, axis.high) == (low, high)
    assert {low, high} <= set(axis.ticks)


def test_an_axis_of_counts_is_logarithmic() -> None:
    axis = log_axis("parameters", [2_000, 3_000_000])
    assert list(axis.ticks.values()) == ["1k", "10k", "100k", "1M", "10M"]
    assert axis.fraction(1e5) == pytest.approx(0.5)
    assert log_axis("", [1000]).fraction(1000) == 0


def test_an_axis_from_zero_ends_at_a_round_number() -> None:
    axis = axis_from_zero("norm", [0.013, 0.034])
    assert (axis.low, axis.high) == (0, 0.04)
    assert list(axis.ticks.values()) == ["0", "0.01", "0.02", "0.03", "0.04"]
    assert axis_from_zero("norm", [0.0, 0.0]).high > 0


@pytest.mark.parametrize(("last", "named"), [(1, [1]), (3, [1, 2, 3]), (100, [1, 13, 25, 37, 49, 61, 73, 85, 97])])
def test_an_axis_of_epochs_names_nine_at_most(last: int, named: list[int]) -> None:
    axis = integer_axis("epoch", range(1, last + 1))
    assert list(axis.ticks) == named
    assert 0 < axis.fraction(1) <= axis.fraction(last) < 1
