"""Metrics against plain references written from their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtrain.metrics import accuracy, calibration_error, confusion_matrix, macro_f1, softmax


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
    assert calibration_error(probabilities, labels) == pytest.approx(error)


def test_probabilities_of_huge_logits_are_finite() -> None:
    assert softmax(np.array([[1e4, -1e4, 0.0]])).tolist() == [[1.0, 0.0, 0.0]]
