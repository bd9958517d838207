"""The masks of a run: saved, whole, the same for every method, and told beside the nominal rate."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.plan import condition, plan_sample
from avtrain.runs.folder import Run
from avtrain.runs.masks import read_masks
from tests.avtrain.training.test_fit import SMALL, TINY, avtrain_

SCENARIOS = """
scenarios:
  C: {}
  M30: {missing: {protocol: bernoulli, rate: 0.3}}
  F: {missing: {protocol: fixed_audio}}
"""


def manifest_with(small_data: Path, folder: Path, scenarios: str = SCENARIOS) -> Path:
    path = folder / "missing.yaml"
    path.write_text(f"manifest: 1\nname: missing\ndataset: {small_data}\nseed: 3\n{scenarios}")
    return path


def fitted(manifest: Path, out: Path, method: str, *more: object) -> tuple[Run, str]:
    said = avtrain_(
        "fit", manifest, "--method", method, *TINY, *SMALL, "--epochs", 1, "--out", out, "--device", "cpu", *more
    )
    (folder,) = out.glob(f"missing-{method}-tiny*/seed0")
    return Run(folder), said


@pytest.fixture(scope="module")
def made(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Run], dict[str, str]]:
    """Two methods with one draw for all epochs, one that reads cached tokens; do not change it."""
    folder = tmp_path_factory.mktemp("masks")
    manifest = manifest_with(small_data, folder)
    pairs = {
        "concat": fitted(manifest, folder / "runs", "concat", "--set", "draws=1"),
        "late-fusion": fitted(
            manifest, folder / "runs", "late-fusion", "--set", "draws=1", "--set", "method.frozen=true", "--epochs", 3
        ),
    }
    return folder, {m: run for m, (run, _) in pairs.items()}, {m: said for m, (_, said) in pairs.items()}


def test_every_method_is_trained_on_the_same_saved_masks(made: tuple[Path, dict[str, Run], dict[str, str]]) -> None:
    folder, runs, said = made
    files = [(run.folder / "masks.parquet").read_bytes() for run in runs.values()]
    assert files[0] == files[1]
    manifest = load_manifest(folder / "missing.yaml")
    masks = read_masks(runs["concat"])
    places = [(mask.split, mask.scenario, mask.draw) for mask in masks]
    assert places == [(s, name, d) for name in ("M30", "F") for s, d in (("train", 1), ("validation", 0))]
    for mask in masks:
        plans = [plan_sample(condition(manifest, mask.scenario), i, ("audio", "image"), mask.draw) for i in mask.ids]
        for modality, present in mask.present.items():
            assert [modality not in plan.missing for plan in plans] == present.tolist()
        shares = f"{100 * (1 - np.stack(list(mask.present.values())).mean()):.1f} % of cells missing"
        assert any(
            f"{mask.scenario}, {mask.split}: " in line and shares in line for line in said["concat"].splitlines()
        )
    table = pq.read_table(runs["concat"].folder / "masks.parquet")
    assert table.column_names == ["split", "scenario", "draw", "id", "audio_missing", "image_missing"]
    assert table.num_rows == sum(len(mask.ids) for mask in masks)


def test_the_test_split_is_scored_under_the_same_masks_and_every_table_says_what_was_missing(
    made: tuple[Path, dict[str, Run], dict[str, str]],
) -> None:
    folder, runs, _ = made
    said = avtrain_("eval", folder / "runs")
    scores = {m: json.loads((run.folder / "eval" / "M30.json").read_text()) for m, run in runs.items()}
    first, second = scores.values()
    assert first["masks"] == second["masks"]
    predicted = pq.read_table(runs["concat"].folder / "eval" / "M30.predictions.parquet")
    lost = np.stack([predicted[f"{m}_missing"].to_numpy() for m in ("audio", "image")])
    assert first["cells_missing"] == pytest.approx(lost.mean())
    assert first["complete"] == pytest.approx((~lost.any(axis=0)).mean())
    assert first["nominal_rate"] == "bernoulli 30 %"
    line = (
        f"M30: bernoulli 30 %, {100 * lost.mean():.1f} % of cells missing, "
        f"{100 * first['complete']:.1f} % of samples complete"
    )
    fixed = "F: fixed_audio, 50.0 % of cells missing, 0.0 % of samples complete"
    assert said.count(line) == said.count(fixed) == 1
    for kind in ("markdown", "latex"):
        shown = avtrain_("report", folder / "runs", "--format", kind).replace("\\%", "%").replace("\\_", "_")
        assert line in shown
        assert fixed in shown
    rows = list(csv.DictReader(io.StringIO(avtrain_("report", folder / "runs", "--format", "csv"))))
    of_m30 = [row for row in rows if row["scenario"] == "M30"]
    assert {row["nominal_rate"] for row in of_m30} == {"bernoulli 30 %"}
    assert [float(row["cells_missing"]) for row in of_m30] == [pytest.approx(lost.mean(), abs=1e-6)] * len(of_m30)
    assert all(row["nominal_rate"] == row["complete"] == "" for row in rows if row["scenario"] == "C")
    (table,) = json.loads(avtrain_("report", folder / "runs", "--format", "json"))["tables"]
    assert table["missing"]["F"] == {"nominal_rate": "fixed_audio", "cells_missing": 0.5, "complete": 0.0}
    avtrain_("report", folder / "runs")
    assert line in (folder / "runs" / "report.html").read_text()


def test_masks_of_new_draws_are_not_kept_but_those_of_the_selection_are(small_data: Path, tmp_path: Path) -> None:
    run, said = fitted(manifest_with(small_data, tmp_path), tmp_path / "runs", "concat")
    assert {(mask.split, mask.draw) for mask in read_masks(run)} == {("validation", 0)}
    assert "M30, validation: bernoulli 30 %" in said
    clean, said = fitted(manifest_with(small_data, tmp_path), tmp_path / "clean", "concat", "--train-on", "clean")
    assert not read_masks(clean)
    assert "missing" not in said.replace("missing-concat", "")
    assert not (clean.folder / "masks.parquet").exists()


def test_damaged_masks_are_noticed(made: tuple[Path, dict[str, Run], dict[str, str]]) -> None:
    path = made[1]["late-fusion"].folder / "masks.parquet"
    whole = path.read_bytes()
    try:
        for broken in (whole[:-9], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
            path.write_bytes(broken)
            with pytest.raises(UserError, match=r"masks.parquet: damaged: it does not have the digest"):
                read_masks(made[1]["late-fusion"])
        path.unlink()
        with pytest.raises(UserError, match=r"masks.parquet: damaged: the file is missing"):
            read_masks(made[1]["late-fusion"])
    finally:
        path.write_bytes(whole)


def test_a_protocol_for_a_modality_that_is_not_there_is_refused(small_data: Path, tmp_path: Path) -> None:
    manifest = manifest_with(small_data, tmp_path, "scenarios: {C: {}, T: {missing: {protocol: fixed_text}}}")
    with pytest.raises(UsageError, match=r"scenarios.T.missing: protocol fixed_text: this data set has audio, image"):
        fitted(manifest, tmp_path / "runs", "concat")
