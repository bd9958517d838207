"""Metrics of the probabilities of one condition, as they are used and before calibration."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtrain.evaluation.metrics import (
    area_under_risk_coverage,
    brier_score,
    calibration_error,
    negative_log_likelihood,
    reliability,
    risk_coverage,
    softmax,
)
from avtrain.evaluation.predict import Outputs


def score_probabilities(outputs: Outputs) -> dict[str, Any]:
    """Compute the metrics of probabilities: as they are used, and under `uncalibrated` as they were before.

    Args:
        outputs: predictions under one condition, with temperatures where they are calibrated.

    Returns:
        `uncalibrated` is None where there are no temperatures.
    """
    labels = outputs.labels
    scores = _scores(outputs.calibrated, labels)
    if outputs.temperature is None:
        return {**scores, "uncalibrated": None}
    before = _scores(outputs.logits, labels)
    return {
        **scores,
        "mean_temperature": float(np.exp(np.mean(np.log(outputs.temperature)))),
        "uncalibrated": before,
    }


def _scores(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    probabilities = softmax(logits)
    bins = reliability(probabilities, labels)
    risks = risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    loss = negative_log_likelihood(logits, labels)
    return {
        "calibration_error": calibration_error(bins),
        "negative_log_likelihood": loss if np.isfinite(loss) else None,  # JSON knows no infinity
        "brier_score": brier_score(probabilities, labels),
        "area_under_risk_coverage": area_under_risk_coverage(risks),
        "reliability": [asdict(each) for each in bins],
    }
