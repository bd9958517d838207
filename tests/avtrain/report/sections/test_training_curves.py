"""Curves of training: unimodal accuracy and gradient norm of each modality by epoch."""

from pathlib import Path

from avtrain.report.sections import training_curves
from tests.support.reports import drawings, epochs, score, view_of


def test_each_modality_is_a_line_over_the_epochs(tmp_path: Path) -> None:
    metrics = epochs({"audio": 0.25, "image": 0.5}, {"audio": 0.75, "image": 0.5})
    view = view_of(tmp_path, [score("late", "C", 0.8, seed=seed) for seed in (0, 1)], metrics)
    charts = {svg.get("aria-label"): svg for svg in drawings(training_curves.html(view))}
    tooltips = [title.text for title in charts["late: unimodal accuracy"].iter("title")]
    assert tooltips == [
        "audio: 25 in epoch 1, n = 2", "audio: 75 in epoch 2, n = 2",
        "image: 50 in epoch 1, n = 2", "image: 50 in epoch 2, n = 2",
    ]  # fmt: skip
    tooltips = [title.text for title in charts["late: gradient norms"].iter("title")]
    assert "audio: 7.5 in epoch 2, n = 2" in tooltips


def test_methods_without_unimodal_scores_have_no_chart(tmp_path: Path) -> None:
    assert training_curves.html(view_of(tmp_path, [score("joint", "C", 0.8)], epochs({}, {}))) == ""


def test_scores_under_another_manifest_alone_have_no_curves(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("late", "rain", 0.8, other_manifest="weather")], epochs({"audio": 0.25}))
    assert training_curves.html(view) == ""
