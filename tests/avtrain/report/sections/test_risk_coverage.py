"""Risk over coverage: from the predictions of each sample, with the temperatures that they have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avbuild.errors import UserError
from avtrain.evaluation.evaluate import write_scores
from avtrain.evaluation.predictions import predictions_file, scores_file, to_parquet
from avtrain.report.results import gather
from avtrain.report.risk import risk_curves
from avtrain.report.sections import risk_coverage
from avtrain.report.view import build_view
from avtrain.runs.folder import Run
from avtrain.runs.search import find_runs
from tests.support.predicted import outputs, right, rows, write_methods, write_predicted
from tests.support.reports import drawings, score, view_of


def write_certain(folder: Path, temperature: np.ndarray | None) -> None:
    """Write a run that is right in 60 % of its samples, all of one confidence but for their temperatures."""
    split = rows(100, 1)
    predicted = replace(outputs(split, np.arange(100) < 60), temperature=temperature)
    e = score("map", "C", 0.6)
    run = write_predicted(folder, e, split, np.arange(100) < 60)
    data = to_parquet(predicted, split, "C", 0, None)
    write_scores(Run(run), scores_file(e), e, data)


def test_temperatures_decide_which_samples_are_answered_first(tmp_path: Path) -> None:
    kept = np.arange(1, 101)
    best = float(np.mean(np.maximum(kept - 60, 0) / kept))  # all right ones first
    sure_where_right = np.where(np.arange(100) < 60, 0.5, 2.0)
    for name, temperature, area in (("flat", None, 0.4), ("sure", sure_where_right, best)):
        write_certain(tmp_path / name, temperature)
        (results,) = gather(find_runs([tmp_path / name]))
        ((curve,),) = [curves.values() for curves in risk_curves(results).values()]
        assert curve.area.mean == pytest.approx(area, abs=1e-9)
        assert curve.risks[1.0].mean == pytest.approx(0.4)
    assert curve.risks[0.6].mean == 0
    assert curve.risks[0.8].mean == pytest.approx(0.25)


def test_a_chart_for_each_scenario_and_a_table_of_areas(tmp_path: Path) -> None:
    write_methods(tmp_path, {"map": (0.9, 0.6), "concat": (0.8, 0.5)}, seeds=(0, 1))
    (results,) = gather(find_runs([tmp_path]))
    view = build_view(results)
    page, text = risk_coverage.html(view), risk_coverage.markdown(view)
    charts = [svg for svg in drawings(page) if svg.get("aria-hidden") is None]
    assert len(charts) == 2
    assert "map: error 10.0 ± 0.0 % at coverage 100%" in page
    (row,) = [line for line in text.splitlines() if line.startswith("| map")]
    assert row.endswith("| 2 |")
    assert "| method | C | D | n |" in text
    cell = next(curves for entry, curves in view.risks.items() if entry.method == "map")["C"].area
    assert f"| {cell} |" in row


def test_runs_without_predictions_are_left_out(tmp_path: Path) -> None:
    view = view_of(tmp_path, [score("map", "C", 0.5)])
    assert (risk_coverage.html(view), risk_coverage.markdown(view)) == ("", "")


def test_damaged_predictions_are_refused(tmp_path: Path) -> None:
    run = write_predicted(tmp_path, score("map", "C", 0.5), rows(40), right(0.5, 40, 0))
    file = run / predictions_file("eval/C.json")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (results,) = gather(find_runs([tmp_path]))
    with pytest.raises(UserError, match="damaged"):
        risk_curves(results)
