"""Runs are known by their data: data set, manifest and run may be moved or copied; other data at the same place not."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from avbuild.errors import UsageError, UserError
from avtrain.runs.folder import Run
from avtrain.runs.layout import features_beside, run_label
from tests.avtrain.training.test_fit import avtrain_, fit, weights
from tests.conftest import REPOSITORY
from tests.support.changed_data import make_anew
from tests.support.stopping import stopped_in

NAME = "urbansound8k-av-finetune-tiny"


@pytest.fixture(scope="module")
def made(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ and runs/, one finished, one stopped; do not change it."""
    place = tmp_path_factory.mktemp("made")
    shutil.copytree(small_data, place / "data")
    fit(place / "data" / "manifest.yaml", place / "runs", "--epochs", 2)
    with stopped_in(epoch=1):
        fit(place / "data" / "manifest.yaml", place / "runs", "--epochs", 2, "--seeds", 1)
    return place


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Path:
    """The same at another place, where runs still name a place that is gone."""
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    shutil.move(copy / "data", copy / "elsewhere")
    for run in (copy / "runs" / NAME).iterdir():
        config = Run(run).config()
        gone = config.manifest.model_copy(update={"dataset": str(copy / "data")})
        Run(run).write_config(config.model_copy(update={"manifest": gone}))
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))  # as after unzipping
    return copy


def test_a_stopped_run_goes_on_and_a_finished_one_is_known_after_its_data_moved(made: Path, moved: Path) -> None:
    manifest = moved / "elsewhere" / "manifest.yaml"
    said = avtrain_("fit", manifest, *TINY_TWO, "--out", moved / "runs", "--seeds", "0,1")
    assert "seed0: finished already" in said
    fit(made / "data" / "manifest.yaml", moved / "whole", "--epochs", 2, "--seeds", 1)
    whole, resumed = weights(moved / "whole" / NAME / "seed1"), weights(moved / "runs" / NAME / "seed1")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    avtrain_("eval", moved / "runs")  # where fit found the data
    assert {e["run"] for run in ("seed0", "seed1") for e in Run(moved / "runs" / NAME / run).evaluations()} == {
        f"{NAME}/seed0", f"{NAME}/seed1"
    }  # fmt: skip


def test_eval_finds_data_that_moved_by_data_or_by_a_manifest_there(moved: Path, made: Path, tmp_path: Path) -> None:
    run, data = moved / "runs" / NAME / "seed0", moved / "elsewhere"
    with pytest.raises(UserError, match=r"no data set there[\s\S]*--data PATH"):
        avtrain_("eval", run)
    by_data = avtrain_("eval", run, "--data", data)
    files = {path.name: path.read_bytes() for path in (run / "eval").iterdir()}
    assert avtrain_("eval", run, "--manifest", data / "manifest.yaml").splitlines()[0] == by_data.splitlines()[0]
    assert {path.name: path.read_bytes() for path in (run / "eval").iterdir()} == files
    copied = Path(shutil.copytree(made / "runs" / NAME / "seed0", tmp_path / "alone"))
    assert by_data.splitlines()[0].split(": ")[1] in avtrain_("eval", copied, "--data", data)
    assert not (tmp_path / "features").exists()


def test_another_manifest_is_read_on_the_data_that_data_names(moved: Path, tmp_path: Path) -> None:
    run, data, snr = moved / "runs" / NAME / "seed0", moved / "elsewhere", tmp_path / "snr.yaml"
    shutil.copy(REPOSITORY / "manifests" / "snr.yaml", snr)  # which names the data set of the demo
    with pytest.raises(UserError, match=r"can only be compared on the same data[\s\S]*--data"):
        avtrain_("eval", run, "--manifest", snr)
    assert "snr-10 0." in avtrain_("eval", run, "--manifest", snr, "--data", data)
    page = tmp_path / "errors.html"
    avtrain_("errors", run, "--scenario", "snr0", "--manifest", snr, "--data", data, "--out", page)
    assert "gaussian_noise" in page.read_text()
    make_anew(data)
    with pytest.raises(UserError, match="differ"):
        avtrain_("eval", run, "--manifest", snr, "--data", data)


def test_other_rows_are_refused_wherever_they_are(moved: Path) -> None:
    data = moved / "elsewhere"
    make_anew(data)
    runs = moved / "runs"
    for place in (data, Path(shutil.copytree(data, moved / "data"))):
        with pytest.raises(UserError, match="trained on other rows"):
            avtrain_("eval", runs / NAME / "seed0", "--data", place)
        with pytest.raises(UserError, match="trained on other rows"):
            avtrain_("fit", place / "manifest.yaml", *TINY_TWO, "--out", runs)
        with pytest.raises(UserError, match="train data and validation data changed"):
            avtrain_("fit", place / "manifest.yaml", *TINY_TWO, "--out", runs, "--seeds", 1)
    for shard in [*data.glob("C/train-*"), *data.glob("C/validation-*")]:
        shard.unlink()
    with pytest.raises(UserError, match="cannot be told without train or validation"):
        avtrain_("eval", runs / NAME / "seed0", "--data", data)


def test_fit_takes_data_at_another_place(moved: Path, made: Path) -> None:
    manifest = moved / "m.yaml"
    manifest.write_text((made / "data" / "manifest.yaml").read_text().replace("dataset: .", "dataset: nowhere"))
    with pytest.raises(UserError, match="no data set there"):
        fit(manifest, moved / "new")
    said = avtrain_("fit", manifest, *TINY_TWO, "--out", moved / "runs", "--data", moved / "elsewhere")
    assert "finished already" in said


def test_initial_weights_may_move_but_not_change(small_data: Path, moved: Path) -> None:
    manifest, runs = small_data / "manifest.yaml", moved / "runs"
    source = runs / NAME / "seed0"
    prompt = ("--method", "prompt", "--set", "method.heads=2", "--epochs", 2)
    with stopped_in(epoch=1):
        fit(manifest, runs, *prompt, "--init-from", source)
    there = moved / "there"
    shutil.move(source, there)
    fit(manifest, runs, *prompt, "--init-from", there)
    assert "finished already" in avtrain_("fit", manifest, *TINY_TWO, *prompt, "--out", runs, "--init-from", there)
    other = fit(manifest, moved / "other", "--epochs", 1, "--seeds", 3) / NAME / "seed3"
    with pytest.raises(UserError, match=r"init_from: .*there there, .*seed3 asked for"):
        fit(manifest, runs, *prompt, "--init-from", other)


def test_an_unfinished_run_and_one_on_another_split_are_no_start(small_data: Path, moved: Path) -> None:
    manifest, runs = small_data / "manifest.yaml", moved / "runs"
    with pytest.raises(UserError, match=r"seed1: its training is not finished.* run the avtrain fit that began it"):
        fit(manifest, moved / "new", "--method", "linear-probe", "--init-from", runs / NAME / "seed1")
    folds = moved / "folds.yaml"
    text = manifest.read_text().replace("dataset: .", f"dataset: {small_data}")
    folds.write_text(text.replace("protocol: default", "fold: {test: 2}"))
    with pytest.raises(UsageError, match="rows that this run is tested on may be among its training rows"):
        fit(folds, moved / "new", "--method", "linear-probe", "--init-from", runs / NAME / "seed0")


def test_leftovers_of_version_0_1_go_with_the_next_fit(moved: Path) -> None:
    run = moved / "runs" / NAME / "seed0"
    (run / ".partial-state.pt").write_text("half")
    avtrain_("fit", moved / "elsewhere" / "manifest.yaml", *TINY_TWO, "--out", moved / "runs")
    assert not list(run.glob(".partial*"))


def test_a_damaged_evaluation_asks_for_another_evaluation(moved: Path) -> None:
    run = moved / "runs" / NAME / "seed0"
    avtrain_("eval", run, "--data", moved / "elsewhere", "--scenarios", "C")
    path = run / "eval" / "C.json"
    path.write_bytes(path.read_bytes().replace(b'"accuracy"', b'"acuracy"'))
    with pytest.raises(UserError, match=r"C\.json: damaged.*Run avtrain eval .*seed0 again"):
        avtrain_("report", moved / "runs")


def test_places_of_runs(tmp_path: Path) -> None:
    assert run_label(Path("runs/x/seed0")) == "x/seed0"
    assert run_label(Path("runs/x/fold3/seed0")) == "x/fold3/seed0"
    assert features_beside(tmp_path / "x" / "fold3" / "seed0") == tmp_path / "features"
    assert features_beside(tmp_path / "alone") is None
    assert features_beside(Path("/x/seed0")) is None


SMALLER = [f"--set=backbone.{key}={value}" for key, value in
           {"width": 24, "layers": 1, "heads": 2, "image_size": 16, "audio_seconds": 0.5}.items()]  # fmt: skip
TINY_TWO = ("--backbone", "tiny", "--epochs", 2, "--batch-size", 32, "--lr", "0.002", *SMALLER)
