"""Methods fitted to the whole training split, as a user runs them: fit, resume, eval, predict and export."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.inference.loaded_run import load_run
from avtrain.methods.cca import CCA
from avtrain.methods.registry import METHODS
from avtrain.methods.shared.embeddings import EmbeddingMethod
from tests.avtrain.distributed.test_torchrun import assert_same_training, logged, torchrun
from tests.avtrain.training.test_fit import SMALL, avtrain_, weights
from tests.support.stopping import stopped_in
from tests.support.video_data import write_data

ON_EMBEDDINGS = [name for name, method in METHODS.items() if issubclass(method, EmbeddingMethod)]
FITTED = ("cca", "dccae")  # in closed form, and by both
THREE = ("audio", "image", "video")
EXPORTED = ("ae", "cpm-net", "tate")  # the others are exported with two modalities, by test_predict_export
FASTER = {"cpm-net": ("--set", "method.test_steps=5")}  # each step is traced by the export


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of data with three modalities, of which some are missing; do not change them."""
    return write_data(tmp_path_factory.mktemp("three") / "three", THREE)


def fit(manifest: Path, out: Path, method: str, *more: object) -> Path:
    options = ("--method", method, "--backbone", "tiny", "--epochs", 2, "--batch-size", 5, "--name", "run")
    avtrain_("fit", manifest, *options, *SMALL, "--out", out, *more)
    return out / "run" / "seed0"


@pytest.mark.parametrize("method", [*ON_EMBEDDINGS, "tate"])
def test_three_modalities_from_training_to_prediction_and_export(three: Path, tmp_path: Path, method: str) -> None:
    run = fit(three, tmp_path, method, *FASTER.get(method, ()))
    avtrain_("eval", run)
    scores = json.loads((run / "eval" / "M.json").read_text())
    assert 0 <= scores["accuracy"] <= 1
    answer = json.loads(avtrain_("predict", run, "--image", picture(tmp_path), "--json"))
    assert "error" not in json.dumps(answer)
    if method not in EXPORTED:
        return
    without = () if method == "ae" else ("--without-frontend",)  # the front end is the same, and takes long
    avtrain_("export", run, "--out", tmp_path / "model.pt2", *without)
    assert (tmp_path / "model.pt2").stat().st_size > 0


def picture(folder: Path) -> Path:
    from PIL import Image

    Image.fromarray(np.full((20, 30, 3), 200, dtype=np.uint8)).save(folder / "picture.png")
    return folder / "picture.png"


@pytest.mark.parametrize("method", FITTED)
def test_stopped_and_resumed_it_ends_with_the_same_weights(three: Path, tmp_path: Path, method: str) -> None:
    whole = fit(three, tmp_path / "whole", method, "--epochs", 3)
    for saved in (False, True):  # before the state of the first epoch was saved, and after
        with stopped_in(epoch=1, saved=saved):
            fit(three, tmp_path / "parts", method, "--epochs", 3)
    resumed = fit(three, tmp_path / "parts", method, "--epochs", 3)
    first, second = weights(whole), weights(resumed)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert logged(whole) == logged(resumed)


def test_a_resumed_training_does_not_begin_again(three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stopped_in(epoch=1):
        fit(three, tmp_path, "cca")

    def begun(self: CCA, batches: Iterable[Batch]) -> None:
        raise AssertionError

    monkeypatch.setattr(CCA, "begin_training", begun)
    fit(three, tmp_path, "cca")


@pytest.mark.parametrize("method", FITTED)
def test_two_processes_fit_what_one_fits(three: Path, tmp_path: Path, method: str) -> None:
    one = fit(three, tmp_path / "one", method, "--lr", "1e-4")
    options = ("--method", method, "--backbone", "tiny", "--epochs", 2, "--batch-size", 5, "--name", "run", *SMALL)
    code, _, errors = torchrun(2, "fit", three, *options, "--lr", "1e-4", "--out", tmp_path / "two")
    assert code == 0, errors
    assert_same_training(one, tmp_path / "two" / "run" / "seed0")


@pytest.mark.parametrize("average_from", [0, 1])
def test_what_is_saved_was_fitted_to_the_weights_it_is_saved_with(
    three: Path, tmp_path: Path, average_from: int
) -> None:
    average = ("--set", f"average_from={average_from}")
    run = fit(three, tmp_path, "dccae", "--train-on", "clean", "--epochs", 3, "--no-cache", *average)
    machine = Machine(torch.device("cpu"))
    trained = load_run(run, machine)
    rows = read_rows(trained.config.manifest, "train")
    data = MultimodalData(rows, trained.config.manifest, trained.method.backbone.frontend, ("C",))
    before = {key: value.clone() for key, value in trained.method.state_dict().items()}
    trained.method.eval()
    trained.method.end_epoch(data.batches(5))
    for key, value in trained.method.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before["classifier.weight"], torch.zeros(()))


@pytest.mark.parametrize("method", FITTED)
def test_test_data_change_nothing_that_was_fitted(three: Path, tmp_path: Path, method: str) -> None:
    shutil.copytree(three.parent, tmp_path / "data" / "three")
    file = tmp_path / "data" / "three" / "C" / "test-00000-of-00001.parquet"
    table = pq.read_table(file)
    pq.write_table(table.take(list(range(3))), file)
    first = weights(fit(three, tmp_path / "one", method, "--no-cache"))
    second = weights(fit(tmp_path / "data" / "three" / "manifest.yaml", tmp_path / "two", method, "--no-cache"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_result_counts_what_was_computed_without_steps(three: Path, tmp_path: Path) -> None:
    run = fit(three, tmp_path, "cca")
    result = json.loads((run / "result.json").read_text())
    fitted = {k: v for k, v in weights(run).items() if not k.startswith("backbone.")}
    assert result["trainable_parameters"] == sum(value.numel() for value in fitted.values()) > 0
    assert all(value.abs().sum() > 0 for value in fitted.values())


def test_batches_of_256_are_the_default_of_these_methods_alone(three: Path) -> None:
    for method, size in (("ae", 256), ("dcca", 1024), ("linear-probe", 32)):
        printed = avtrain_("fit", three, "--method", method, "--backbone", "tiny", "--print-config")
        assert f"batch_size: {size}\n" in printed
