"""Temperatures: what is fitted is what the logits were scaled by, within limits, for any samples."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from avtrain.evaluation.calibrate import fit_mode
from avtrain.evaluation.calibration import Calibration, Temperature, calibrated
from avtrain.evaluation.metrics import negative_log_likelihood
from avtrain.evaluation.predict import Outputs
from avtrain.evaluation.probability_scores import score_probabilities
from avtrain.evaluation.sample_temperature import log_factors, signals_of
from avtrain.evaluation.temperature import HIGHEST, LOWEST, fit_temperature
from avtrain.methods.base import Prediction

CLASSES = 5


def true_logits(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 logits whose softmax is how likely each label is, and labels drawn so."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, CLASSES))
    cumulative = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > cumulative).sum(axis=1).clip(max=CLASSES - 1)


def outputs(logits: np.ndarray, labels: np.ndarray, **modalities: np.ndarray) -> Outputs:
    n = len(labels)
    present = {m: np.ones(n, dtype=bool) for m in ("audio", "image")}
    return Outputs(logits, modalities, present, labels, tuple(map(str, range(n))))


@pytest.mark.parametrize("factor", [0.03, 0.3, 1.0, 4.0, 30.0])
def test_the_factor_that_logits_were_scaled_by_is_found(factor: float) -> None:
    logits, labels = true_logits()
    plain, scaled = fit_temperature(logits, labels), fit_temperature(logits * factor, labels)
    assert plain.value == pytest.approx(1, abs=0.05)
    assert scaled.value == pytest.approx(factor * plain.value, rel=1e-9)
    assert scaled.notices == ()


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_the_mean_confidence_is_the_accuracy(factor: float) -> None:
    logits, labels = true_logits(300)
    found = fit_temperature(logits * factor, labels).value
    confidence = softmax(logits * factor / found, axis=1).max(axis=1)
    assert confidence.mean() == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1 / 300)


def test_a_few_samples_that_are_wrong_with_great_confidence_do_not_decide() -> None:
    logits, labels = true_logits()
    logits[:20] *= 30
    labels[:20] = logits[:20].argmin(axis=1)
    assert fit_temperature(logits, labels).value == pytest.approx(1, abs=0.1)


@given(n=st.integers(0, 40), scale=st.floats(0, 1e6), seed=st.integers(0, 99), right=st.floats(0, 1), one=st.booleans())
def test_a_temperature_is_finite_and_within_its_limits(
    n: int, scale: float, seed: int, right: float, one: bool
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (n, CLASSES)) * scale
    labels = np.where(rng.random(n) < right, logits.argmax(axis=1), rng.integers(0, CLASSES, n))
    labels = np.zeros_like(labels) if one else labels
    if n:
        logits[0, int(labels[0]) - 1] = -np.inf  # a class that the model rules out
    assert LOWEST <= fit_temperature(logits, labels).value <= HIGHEST


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        (np.eye(4)[np.arange(80) % 4] * 3, np.arange(80) % 4, "all samples are classified correctly"),
        (np.eye(4)[np.arange(80) % 4] * 3, (np.arange(80) + 1) % 4, "100 is the highest allowed"),
        (np.random.default_rng(0).normal(0, 1, (80, 4)), np.zeros(80, int), "all samples are of one class"),
        (np.zeros((80, 4)), np.arange(80) % 4, "so 1 is used"),
        (np.eye(4)[[0, 1, 2]], np.array([0, 1, 3]), "only 3 samples"),
    ],
)
def test_samples_that_say_too_little_are_told(logits: np.ndarray, labels: np.ndarray, expected: str) -> None:
    found = fit_temperature(logits, labels)
    assert any(expected in notice for notice in found.notices)
    # and the temperature of such samples is the same for all of them
    assert fit_mode([outputs(logits, labels)], None).signals == ()


def test_separable_samples_are_not_made_certain() -> None:
    labels = np.arange(100) % CLASSES
    found = fit_temperature(np.eye(CLASSES)[labels] * 2, labels).value
    confidence = softmax(np.eye(CLASSES)[labels] * 2 / found, axis=1).max(axis=1)
    assert np.all((confidence > 0.98) & (confidence < 0.9999))  # about 1 - 1 / n


def run_temperature(fitted: Outputs, kind: str = "run") -> Temperature:
    return Temperature(kind, Calibration(scenarios=("C",), samples=1, modes=(fit_mode([fitted], None),)))


@pytest.mark.parametrize("kind", ["run", "condition"])
def test_an_underconfident_model_is_calibrated_and_predicts_the_same(kind: str) -> None:
    logits, labels = true_logits()
    fitted, tested = (outputs(logits[half] * 0.2, labels[half]) for half in (slice(0, None, 2), slice(1, None, 2)))
    after = calibrated(tested, run_temperature(fitted, kind), None)
    scores = score_probabilities(after)
    assert scores["uncalibrated"]["calibration_error"] > 0.2
    assert scores["calibration_error"] < 0.04
    for measure in ("negative_log_likelihood", "brier_score"):
        assert scores[measure] < scores["uncalibrated"][measure]
    np.testing.assert_array_equal(after.calibrated.argsort(axis=1), tested.logits.argsort(axis=1))
    np.testing.assert_array_equal(after.logits, tested.logits)


def test_without_temperatures_nothing_changes() -> None:
    plain = outputs(*true_logits(50))
    assert calibrated(plain, None, None) is plain
    assert score_probabilities(plain)["uncalibrated"] is None


def half_noisy(n: int, seed: int) -> Outputs:
    """Return predictions of which those with flat audio logits are twice as modest as the others."""
    logits, labels = true_logits(n, seed)
    noisy = np.arange(n) % 2 == 1
    audio = np.random.default_rng(seed).normal(0, 3, logits.shape) * np.where(noisy, 0.05, 1.0)[:, None]
    return outputs(logits * np.where(noisy, 0.3, 1.2)[:, None], labels, audio=audio)


def test_a_temperature_that_depends_on_the_sample_follows_the_certainty_of_a_modality() -> None:
    fitted, tested = half_noisy(4000, 0), half_noisy(4000, 1)
    losses = {}
    for kind in ("run", "condition"):
        after = calibrated(tested, run_temperature(fitted, kind), None)
        losses[kind] = negative_log_likelihood(after.calibrated, tested.labels)
        assert after.temperature is not None
        clear, noisy = (np.median(after.temperature[start::2]) for start in (0, 1))
        assert (clear / noisy > 2) if kind == "condition" else (clear == noisy)
    assert losses["condition"] < losses["run"] - 0.01


def test_a_sample_unlike_all_of_the_fit_gets_no_temperature_beyond_theirs() -> None:
    mode = fit_mode([half_noisy(400, 0)], None)
    present = {m: torch.ones(1, dtype=torch.bool) for m in ("audio", "image")}
    for scale in (0.0, 1e-9, 1e9):
        logits = torch.randn(1, CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * scale
        strange = Prediction(logits, {"audio": logits})
        factor = log_factors(mode.signals, signals_of(strange, present, mode.temperature)).exp()
        span = np.exp(sum(abs(s.weight) * (s.highest - s.lowest) / s.deviation for s in mode.signals))
        assert torch.isfinite(factor).all()
        assert mode.temperature / span <= float(mode.temperature * factor) <= mode.temperature * span
