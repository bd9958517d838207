"""Negative log-likelihood, Brier score, risk over coverage: values that can be computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtrain.evaluation.metrics import (
    area_under_risk_coverage,
    brier_score,
    negative_log_likelihood,
    risk_coverage,
)

HALF = np.log([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])


def test_values_by_hand() -> None:
    labels = np.array([0, 2])
    assert negative_log_likelihood(HALF, labels) == pytest.approx(-(np.log(0.5) + np.log(0.1)) / 2)
    assert brier_score(np.exp(HALF), labels) == pytest.approx((0.25 + 2 * 0.0625 + 0.01 + 0.64 + 0.81) / 2)
    assert negative_log_likelihood(np.array([[0.0, -np.inf]]), np.array([1])) == np.inf


def test_the_risk_of_the_most_confident() -> None:
    risks = risk_coverage(np.array([0.2, 0.9, 0.6, 0.8]), np.array([False, True, False, True]))
    assert risks.tolist() == pytest.approx([0, 0, 1 / 3, 0.5])
    assert area_under_risk_coverage(risks) == pytest.approx((1 / 3 + 0.5) / 4)


def test_equal_confidence_does_not_depend_on_the_order() -> None:
    correct = np.array([True, False, True, False])
    for order in (np.arange(4), np.arange(4)[::-1]):
        assert risk_coverage(np.full(4, 0.5), correct[order]).tolist() == pytest.approx([0.5] * 4)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_answering_all_has_the_error_of_all(samples: list[tuple[float, bool]]) -> None:
    confidence, correct = (np.array(each) for each in zip(*samples, strict=True))
    risks = risk_coverage(confidence, correct)
    assert risks[-1] == pytest.approx(1 - correct.mean())
    assert np.all((risks >= 0) & (risks <= 1))
