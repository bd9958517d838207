"""Tests of differences: against SciPy, against a written-out reference, and by how often they are right."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from avtrain.evaluation.significance import (
    FEW,
    difference,
    holm,
    mcnemar,
    paired_standard_error,
    pooled_mcnemar,
    resample_groups,
    resample_seeds,
)

ALONE = [str(number) for number in range(400)]  # every sample is a group


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 5), (5, 0), (7, 9), (12, 12), (3, 20)])
def test_few_discordant_pairs_are_tested_exactly(b: int, c: int) -> None:
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c).p == pytest.approx(expected)


@pytest.mark.parametrize(("b", "c"), [(20, 5), (13, 12), (25, 25), (40, 70), (300, 200)])
def test_many_discordant_pairs_are_tested_with_chi_squared(b: int, c: int) -> None:
    assert b + c >= FEW
    assert mcnemar(b, c).p == pytest.approx(stats.chi2.sf(max(0, abs(b - c) - 1) ** 2 / (b + c), df=1))
    assert mcnemar(b, c).p == pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue, abs=0.03)
    assert mcnemar(c, b).p == mcnemar(b, c).p


def test_a_sample_is_one_pair_however_many_seeds() -> None:
    right, wrong = np.array([1, 1, 1, 0], dtype=bool), np.array([0, 0, 1, 0], dtype=bool)
    once = pooled_mcnemar({0: right}, {0: wrong})
    assert (once.only_first, once.only_second) == (2, 0)
    assert pooled_mcnemar({0: right, 1: right, 2: right}, {0: wrong, 1: wrong, 2: wrong}) == once
    assert pooled_mcnemar({0: right, 1: wrong}, {0: wrong, 1: right}).p == 1.0
    assert pooled_mcnemar({0: right, 1: wrong}, {1: wrong}).only_first == 0  # the seed that both have
    assert pooled_mcnemar({5: right, 6: wrong}, {7: wrong}).only_first == 2  # none: the first of each


def written_out(p_values: Sequence[float]) -> list[float]:
    """Holm's correction step by step, as the paper has it."""
    left = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    while left:
        largest = max(largest, min(1.0, len(left) * p_values[left[0]]))
        corrected[left.pop(0)] = largest
    return corrected


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_as_written_out(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(written_out(p_values))


def test_holm_of_an_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_equal_inputs_give_equal_draws_and_the_mean_is_kept() -> None:
    rng = np.random.default_rng(1)
    correct = rng.random((3, 400)) < np.array([[0.5], [0.7], [0.9]])
    drawn = resample_groups(correct, ALONE, draws=500)
    assert np.array_equal(drawn, resample_groups(correct, ALONE, draws=500))
    assert not np.array_equal(drawn, resample_groups(correct, ALONE, draws=500, seed=1))
    assert drawn.mean(axis=0) == pytest.approx(correct.mean(axis=1), abs=0.005)
    expected = np.sqrt(correct.mean(axis=1) * (1 - correct.mean(axis=1)) / 400)
    assert drawn.std(axis=0) == pytest.approx(expected, rel=0.12)


def test_the_interval_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random(400) < 0.8, rng.random(400) < 0.7
    drawn = resample_groups(np.stack([first, second]), ALONE)
    found = difference(first.mean() - second.mean(), drawn[:, 0] - drawn[:, 1])
    expected = stats.bootstrap(
        (first.astype(float) - second,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.006)


def test_samples_of_one_group_count_once() -> None:
    rng = np.random.default_rng(3)
    of_groups = rng.random((1, 50)) < 0.6
    repeated = np.repeat(of_groups, 8, axis=1)
    groups = [f"recording {number // 8}" for number in range(400)]
    assert resample_groups(repeated, groups, draws=200) == pytest.approx(
        resample_groups(of_groups, sorted(set(groups), key=groups.index), draws=200)
    )
    grouped, alone = (resample_groups(repeated, names).std() for names in (groups, ALONE))
    assert grouped == pytest.approx(np.sqrt(8) * alone, rel=0.1)


def test_groups_of_different_size_weigh_as_their_samples() -> None:
    correct, groups = np.array([[1, 1, 1, 0]], dtype=bool), ["a", "a", "a", "b"]
    drawn = resample_groups(correct, groups, draws=300)[:, 0]
    assert set(np.round(drawn, 6)) == {0.0, 0.75, 1.0}


def test_the_memory_limit_does_not_change_the_number_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = np.random.default_rng(4).random((2, 400)) < 0.5
    done: list[int] = []
    monkeypatch.setattr("avtrain.evaluation.significance.CHUNK_BYTES", 8 * 400 * 7)
    drawn = resample_groups(correct, ALONE, draws=100, advance=done.append)
    assert drawn.shape == (100, 2)
    assert sum(done) == 100
    assert max(done) == 7


def test_equal_seeds_are_drawn_together() -> None:
    table = np.random.default_rng(5).random((50, 3))
    shifted = resample_seeds(table + 0.25, [0, 1, 2]) - resample_seeds(table, [0, 1, 2])
    assert shifted == pytest.approx(np.full(50, 0.25))
    assert resample_seeds(table[:, [2, 0, 1]], [2, 0, 1]) == pytest.approx(resample_seeds(table, [0, 1, 2]))
    other = resample_seeds(table, [3, 4, 5]) - resample_seeds(table, [0, 1, 2])
    assert np.abs(other).max() > 0.01
    assert resample_seeds(table[:, :1], [0]) == pytest.approx(table[:, 0])


def test_a_difference_of_nothing_is_none() -> None:
    found = difference(0.0, np.zeros(1000))
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert difference(0.5, np.full(999, 0.5)).p == pytest.approx(0.002)


def test_the_standard_error_is_that_of_paired_differences() -> None:
    drawn = np.random.default_rng(6).normal(size=(4000, 3)) * [1.0, 2.0, 3.0] + 0.5
    pairs = [drawn[:, i] - drawn[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert paired_standard_error(drawn) == pytest.approx(np.sqrt(np.mean([np.var(pair, ddof=1) for pair in pairs])))
    assert paired_standard_error(drawn[:, [0, 0]]) == pytest.approx(0.0, abs=1e-9)


def test_a_large_difference_stands_the_correction_for_many_tests() -> None:
    rng = np.random.default_rng(8)
    first, second = rng.random(400) < 0.9, rng.random(400) < 0.6
    drawn = resample_groups(np.stack([first, second]), ALONE)
    found = difference(first.mean() - second.mean(), drawn[:, 0] - drawn[:, 1])
    expected = stats.ttest_1samp(first.astype(float) - second, 0.0).pvalue
    assert np.log10(found.p) == pytest.approx(np.log10(expected), rel=0.15)
    assert holm([found.p] * 1000)[0] < 0.001


@pytest.mark.parametrize("gap", [0.0, 0.06])
def test_95_percent_intervals_hold_the_truth_about_as_often(gap: float) -> None:
    """Recordings of 4 samples with a difficulty of their own; two classifiers that err independently given it."""
    rng, held, false_alarms, rounds = np.random.default_rng(7), 0, 0, 200
    groups = [str(number // 4) for number in range(320)]
    for _ in range(rounds):
        easy = np.repeat(rng.beta(6, 3, 80), 4) * (1 - gap)
        first, second = rng.random(320) < easy + gap * 1.0, rng.random(320) < easy
        drawn = resample_groups(np.stack([first, second]), groups, draws=400)
        found = difference(float(first.mean() - second.mean()), drawn[:, 0] - drawn[:, 1])
        held += found.low <= gap <= found.high
        false_alarms += found.p < 0.05
    assert 0.90 <= held / rounds <= 0.99
    if gap == 0.0:
        assert false_alarms / rounds <= 0.10
    else:
        assert false_alarms / rounds >= 0.3  # a real difference is found often enough
