"""avtrain where no more can be written, or nothing: one clear error, nothing half written; and it goes on later."""

from pathlib import Path

import pytest
import torch

from avbuild.errors import UserError
from avtrain.runs.folder import Run
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.full_disk import no_file_above

CANNOT = "cannot be written: File too large. Finished files are kept; fix this and run the same command again"


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".partial")]


def folders(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.is_dir()]


def test_a_run_whose_weights_cannot_be_written_goes_on_later(small_data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "urbansound8k-av-finetune-tiny" / "seed0")
    cache = ("--cache", tmp_path / "cache")
    fit(small_data / "manifest.yaml", tmp_path / "before", *cache)  # the copy of the rows is there then
    with no_file_above(20_000), pytest.raises(UserError, match=f"model.safetensors: {CANNOT}"):
        fit(small_data / "manifest.yaml", tmp_path, *cache)
    assert run.begun
    assert not run.finished
    assert unfinished(tmp_path) == []
    fit(small_data / "manifest.yaml", tmp_path)
    assert run.finished


def test_a_state_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_state({"epoch": 1, "weights": torch.zeros(10)})
    with no_file_above(20_000), pytest.raises(UserError, match=f"state.pt: {CANNOT}"):
        run.save_state({"epoch": 2, "weights": torch.zeros(100_000)})
    assert unfinished(tmp_path) == []
    state = run.state()
    assert state is not None
    assert state["epoch"] == 1


def test_features_that_cannot_be_written_are_not_taken_for_whole(small_data: Path, tmp_path: Path) -> None:
    features, options = tmp_path / "features", ("--method", "linear-probe", "--train-on", "clean")
    fit(small_data / "manifest.yaml", tmp_path / "before", "--train-on", "clean", "--cache", features)
    rows = [features / "rows"]  # copied by a method that has no features to keep
    assert folders(features) == rows
    with no_file_above(20_000), pytest.raises(UserError, match=f"features/[0-9a-f]+: {CANNOT}"):
        fit(small_data / "manifest.yaml", tmp_path, *options, "--cache", features)
    assert folders(features) == rows
    fit(small_data / "manifest.yaml", tmp_path, *options, "--cache", features)
    assert all((folder / "done.json").exists() for folder in folders(features) if folder not in rows)


def test_a_report_and_an_export_that_cannot_be_written_leave_the_last_ones(small_data: Path, tmp_path: Path) -> None:
    fit(small_data / "manifest.yaml", tmp_path)
    run, model = tmp_path / "urbansound8k-av-finetune-tiny", tmp_path / "model.pt2"
    avtrain_("eval", run)
    avtrain_("report", tmp_path)
    avtrain_("export", run, "--out", model)
    before = {path: path.read_bytes() for path in (*tmp_path.glob("report.*"), model)}
    assert len(before) == 7  # six formats of the report, and the model
    for command, name in ((("report", tmp_path), "report.html"), (("export", run, "--out", model), "model.pt2")):
        with no_file_above(5_000), pytest.raises(UserError, match=f"{name}: {CANNOT}"):
            avtrain_(*command)
    assert {path: path.read_bytes() for path in before} == before
    assert unfinished(tmp_path) == []


def test_a_place_below_a_file_is_no_place(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"taken/.*: cannot be written: there is a file where a folder is needed"):
        fit(small_data / "manifest.yaml", tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "a file"
