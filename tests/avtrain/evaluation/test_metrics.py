"""Metrics against plain references written from their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtrain.evaluation.metrics import (
    accuracy,
    calibration_error,
    calibration_floor,
    confusion_matrix,
    macro_f1,
    pooled,
    reliability,
    softmax,
)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    n, classes = draw(st.integers(1, 40)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return softmax(rng.normal(size=(n, classes)) * 3), rng.integers(0, classes, n)


@given(scored())
def test_against_the_definitions(case: tuple[np.ndarray, np.ndarray]) -> None:  # type: ignore[type-arg]
    probabilities, labels = case
    predicted, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    assert accuracy(predicted, labels) == pytest.approx(
        sum(p == t for p, t in zip(predicted, labels, strict=True)) / len(labels)
    )
    confusion = confusion_matrix(predicted, labels, classes)
    for t in range(classes):
        for p in range(classes):
            assert confusion[t, p] == np.sum((labels == t) & (predicted == p))
    scores = []
    for c in range(classes):
        hits = np.sum((predicted == c) & (labels == c))
        wrong = np.sum((predicted == c) != (labels == c))
        if hits + wrong:
            scores.append(2 * hits / (2 * hits + wrong))
    assert macro_f1(confusion) == pytest.approx(np.mean(scores))
    error = 0.0
    confidence = probabilities.max(axis=1)
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            error += inside.mean() * abs((predicted == labels)[inside].mean() - confidence[inside].mean())
    bins = reliability(probabilities, labels)
    assert len(bins) == 15
    assert sum(b.count for b in bins) == len(labels)
    assert calibration_error(bins) == pytest.approx(error)


@given(scored(), st.integers(1, 39))
def test_bins_pooled_are_the_bins_of_all(case: tuple[np.ndarray, np.ndarray], cut: int) -> None:  # type: ignore[type-arg]
    probabilities, labels = case
    parts = [(probabilities[:cut], labels[:cut]), (probabilities[cut:], labels[cut:])]
    together = pooled([reliability(*part) for part in parts if len(part[1])])
    for merged, whole in zip(together, reliability(probabilities, labels), strict=True):
        assert merged.count == whole.count
        assert merged.accuracy == pytest.approx(whole.accuracy)
        assert merged.confidence == pytest.approx(whole.confidence)


@pytest.mark.parametrize("n", [1, 20, 300, 5000])
def test_the_floor_is_the_mean_error_of_perfect_probabilities(n: int) -> None:
    rng = np.random.default_rng(n)
    probabilities = softmax(rng.normal(size=(n, 4)) * 2)
    draws = [
        np.array([rng.choice(4, p=p) for p in probabilities])  # labels are as likely as the probabilities say
        for _ in range(1000 if n == 1 else 100)
    ]
    errors = [calibration_error(reliability(probabilities, labels)) for labels in draws]
    floor = calibration_floor(reliability(probabilities, draws[0]))
    assert floor == pytest.approx(np.mean(errors), rel=0.08)


def test_certain_probabilities_have_no_floor() -> None:
    bins = reliability(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    assert calibration_floor(bins) == 0.0


def test_an_edge_of_confidence_belongs_to_the_bin_below() -> None:
    bins = reliability(np.array([[0.6, 0.4], [1.0, 0.0]]), np.array([0, 1]))  # 0.6 is the upper edge of the ninth
    assert (bins[8].count, bins[8].accuracy) == (1, 1.0)
    assert (bins[14].count, bins[14].accuracy) == (1, 0.0)
    assert bins[0].confidence is None


def test_probabilities_of_huge_logits_are_finite() -> None:
    assert softmax(np.array([[1e4, -1e4, 0.0]])).tolist() == [[1.0, 0.0, 0.0]]
