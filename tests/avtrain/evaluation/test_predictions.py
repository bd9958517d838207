"""Predictions beside the scores: complete, sealed, and enough to compute every metric again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from avbuild.errors import UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.data.shards import read_rows
from avtrain.evaluation.evaluate import score
from avtrain.evaluation.predictions import read_predictions
from avtrain.runs.sealed import open_object
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.sealed import rewrite

COLUMNS = ["id", "group", "fold", "label", "logits", "scenario", "severity", "inference"]


@pytest.fixture(scope="module")
def evaluated(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """late-fusion and prompt, evaluated on C and D and on D at severity 5; do not change it."""
    out = tmp_path_factory.mktemp("evaluated")
    for method in ("late-fusion", "prompt"):
        more = ("--set", "method.heads=2") if method == "prompt" else ()
        fit(small_data / "manifest.yaml", out, "--epochs", 1, "--method", method, *more)
    avtrain_("eval", out, "--scenarios", "C,D", "--severities", 5)
    return out


def score_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("eval/*.json"))


def test_every_metric_can_be_computed_from_the_predictions(evaluated: Path, small_data: Path) -> None:
    rows = read_rows(load_manifest(small_data / "manifest.yaml"), "test")
    assert len(score_files(evaluated)) == 3 + 3 * 3
    for path in score_files(evaluated):
        written = open_object(path.read_bytes(), str(path))
        found = read_predictions(path.parent.parent, written)
        again = score(found.outputs(), rows)
        assert {key: written[key] for key in again} == again
        assert again["n"] == len(rows.samples) > 0
        assert bool(again["per_modality"]) == (written["method"] == "late-fusion")
        assert found.correct.mean() == pytest.approx(written["accuracy"])


def test_the_columns_say_which_sample_and_which_condition(evaluated: Path, small_data: Path) -> None:
    samples = {s.id: s for s in read_rows(load_manifest(small_data / "manifest.yaml"), "test").samples}
    for path in score_files(evaluated):
        written = json.loads(path.read_text())
        table = pq.read_table(path.with_suffix(".predictions.parquet"))
        assert table.column_names[: len(COLUMNS)] == COLUMNS
        for row in table.to_pylist():
            sample = samples[row["id"]]
            assert (row["label"], row["group"], row["fold"]) == (sample.label, sample.group, sample.fold)
            assert len(row["logits"]) == len(written["classes"])
            assert all(row[key] == written[key] for key in ("scenario", "severity", "inference"))
            assert (row["audio_missing"], row["image_missing"]) == (False, False)


@pytest.mark.parametrize("harm", ["cut", "bit", "gone", "stale"])
def test_damaged_predictions_are_noticed_and_written_anew(evaluated: Path, tmp_path: Path, harm: str) -> None:
    run = Path(shutil.copytree(evaluated / "urbansound8k-av-late-fusion-tiny" / "seed0", tmp_path / "a" / "seed0"))
    path, scores = run / "eval" / "D.predictions.parquet", run / "eval" / "D.json"
    whole = path.read_bytes()
    if harm == "stale":  # killed between the two files of another evaluation
        shutil.copyfile(run / "eval" / "C.predictions.parquet", path)
    elif harm == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-9] if harm == "cut" else bytes([*whole[:200], whole[200] ^ 4, *whole[201:]]))
    with pytest.raises(UserError, match=r"D\.predictions\.parquet: damaged: .*avtrain eval"):
        read_predictions(run, json.loads(scores.read_text()))
    avtrain_("eval", run, "--scenarios", "D")
    assert path.read_bytes() == whole
    read_predictions(run, json.loads(scores.read_text()))


def test_scores_of_an_earlier_version_are_read_and_completed(evaluated: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(evaluated / "urbansound8k-av-late-fusion-tiny" / "seed0", tmp_path / "a" / "seed0"))
    for path in score_files(run.parent):
        rewrite(path, predictions=None, position=None, spec=None)
        path.with_suffix(".predictions.parquet").unlink()
    avtrain_("report", tmp_path)
    written = json.loads((run / "eval" / "D.json").read_text())
    with pytest.raises(UserError, match=r"an earlier version evaluated this run; avtrain eval .* writes it"):
        read_predictions(run, written)
    avtrain_("eval", run)
    predictions = read_predictions(run, json.loads((run / "eval" / "D.json").read_text()))
    assert np.isfinite(predictions.logits).all()
