"""Runs with a plug-in's method, and on its corruptions: resume, eval and report know the source of the plug-in."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from avbuild.errors import UserError
from tests.avtrain.distributed.test_torchrun import assert_same_training, torchrun
from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.support.commands import succeed
from tests.support.plugin_files import DOUBTFUL, DROPOUTS, write_manifest, write_plugin

CHANGED = DOUBTFUL.replace("/ 2", "/ 3")
FIT = ("--method", "doubtful", "--backbone", "tiny", "--epochs", 1, "--lr", 0.002, "--device", "cpu", *SMALL)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugin(tmp_path_factory.mktemp("plugin"), DROPOUTS + DOUBTFUL)


@pytest.fixture(scope="module")
def manifest(small_data: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with a plug-in's corruption, whose scenarios are on disk."""
    folder = tmp_path_factory.mktemp("data") / small_data.name
    shutil.copytree(small_data, folder)
    path = write_manifest(folder.parent, folder)
    succeed("corrupt", "--scenario", "S,N", "--manifest", path, "--data", folder, "--workers", 1, "--plugin", plugin)
    return path


@pytest.fixture(scope="module")
def trained(manifest: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the plug-in's method; do not change it."""
    out = tmp_path_factory.mktemp("runs")
    avtrain_("fit", manifest, *FIT, "--plugin", plugin, "--out", out, "--name", "mine")
    return out / "mine" / "seed0"


def copy(run: Path, target: Path) -> Path:
    return Path(shutil.copytree(run, target / "runs" / run.parent.name / run.name))


def test_the_run_names_its_plugins(trained: Path, plugin: Path) -> None:
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert [(r["group"], r["name"], r["origin"]) for r in config["plugins"]] == [
        ("avtrain.methods", "doubtful", "my_ops.py"),
        ("avbuild.corruptions", "dropouts", "my_ops.py"),
    ]
    assert len({record["digest"] for record in config["plugins"]}) == 1


def test_eval_and_report_in_a_process_with_the_plugin(trained: Path, plugin: Path, tmp_path: Path) -> None:
    run = copy(trained, tmp_path)
    avtrain_("eval", run, "--device", "cpu", "--plugin", plugin)
    scores = json.loads((run / "eval" / "S.json").read_text())
    assert scores["computed"] == "from disk"
    assert set(scores["plugins"]) == {"doubtful", "audio dropouts"}
    assert "doubtful" in avtrain_("report", tmp_path / "runs")  # which needs no model


def test_without_the_plugin_eval_and_predict_name_it(trained: Path, tmp_path: Path) -> None:
    for command in (("eval", trained), ("export", trained)):
        with pytest.raises(
            UserError, match=r"method doubtful comes from a plug-in that is not loaded here: my_ops\.py"
        ):
            avtrain_(*command)


def test_a_changed_source_stops_resume_and_eval(trained: Path, manifest: Path, tmp_path: Path) -> None:
    run = copy(trained, tmp_path)
    changed = write_plugin(tmp_path, DROPOUTS + CHANGED)
    fit = ("fit", manifest, *FIT, "--plugin", changed, "--out", tmp_path / "runs", "--name", "mine")
    for command in (fit, ("eval", run, "--plugin", changed)):
        with pytest.raises(UserError, match=r"method doubtful was that of my_ops\.py .* source of the plug-in changed"):
            avtrain_(*command)
    avtrain_(*fit, "--resume", "restart")
    avtrain_("eval", run, "--device", "cpu", "--scenarios", "C", "--plugin", changed)


def test_seeds_of_different_sources_are_not_averaged(
    trained: Path, manifest: Path, plugin: Path, tmp_path: Path
) -> None:
    run = copy(trained, tmp_path)
    changed = write_plugin(tmp_path, DROPOUTS + CHANGED)
    where = ("--out", tmp_path / "runs", "--name", "mine")
    avtrain_("fit", manifest, *FIT, "--plugin", changed, "--seeds", 1, *where)
    for seed, source in ((run, plugin), (run.with_name("seed1"), changed)):
        avtrain_("eval", seed, "--device", "cpu", "--scenarios", "C", "--plugin", source)
    with pytest.raises(UserError, match="different sources of one, and cannot be averaged"):
        avtrain_("report", tmp_path / "runs")


def test_a_shipped_method_on_data_of_an_absent_plugin(manifest: Path, plugin: Path, tmp_path: Path) -> None:
    fit = ("fit", manifest, "--method", "late-fusion", *FIT[2:], "--out", tmp_path, "--name", "clean")
    with pytest.raises(UserError, match="corruption dropouts comes from a plug-in that is not loaded here"):
        avtrain_(*fit)  # draws the corruption afresh
    avtrain_(*fit, "--train-on", "clean")
    avtrain_("eval", tmp_path / "clean", "--device", "cpu")  # S is on disk
    assert (tmp_path / "clean" / "seed0" / "eval" / "S.json").exists()
    with pytest.raises(UserError, match="corruption dropouts comes from a plug-in"):
        avtrain_("eval", tmp_path / "clean", "--device", "cpu", "--severities", "5")


def test_two_processes_train_a_plugin_as_one(manifest: Path, trained: Path, plugin: Path, tmp_path: Path) -> None:
    fit = ("fit", manifest, *FIT, "--plugin", plugin, "--out", tmp_path, "--name", "mine", "--workers", 1)
    code, _, errors = torchrun(2, *fit)
    assert code == 0, errors
    assert_same_training(tmp_path / "mine" / "seed0", trained)
