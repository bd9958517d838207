"""Options that were not given: a run keeps the defaults it was begun with, whatever later versions have."""

from pathlib import Path

import pytest
import torch

from avbuild.errors import UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.backbones.registry import all_backbones, build_backbone
from avtrain.config import FitConfig, RunConfig
from avtrain.device import Machine
from avtrain.evaluation.evaluate import load_method
from avtrain.methods.linear_probe import LinearProbe
from avtrain.methods.registry import all_methods, build_method, method_config
from avtrain.reproduction.mla.tables import TABLE_1, TABLE_3
from avtrain.reproduction.system import System
from avtrain.runs.folder import Run
from avtrain.training.options import checked_options, with_defaults
from tests.avtrain.training.test_fit import SMALL, TINY, avtrain_

NAME = "urbansound8k-av-linear-probe-tiny"


def fit(manifest: Path, out: Path, *more: object) -> str:
    """Train one epoch, and return what is printed."""
    return avtrain_("fit", manifest, *TINY, *SMALL, "--out", out, "--epochs", 1, "--method", "linear-probe", *more)


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.fixture
def out(manifest: Path, tmp_path: Path) -> Path:
    """A finished run."""
    fit(manifest, tmp_path)
    return tmp_path


@pytest.fixture
def later(out: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same run, seen by a version in which the method has another default."""
    before = LinearProbe.Config.model_fields["mixup"].default

    class Later(LinearProbe.Config):  # type: ignore[name-defined, misc]
        mixup: float = before + 0.25

    monkeypatch.setattr(LinearProbe, "Config", Later)
    return out


def test_a_finished_run_of_other_defaults_is_not_taken_for_the_one_asked_for(later: Path, manifest: Path) -> None:
    with pytest.raises(UserError, match=r"another configuration\n  method.mixup: [0-9.]+ there, [0-9.]+ asked for\n"):
        fit(manifest, later)


def test_a_run_is_evaluated_with_the_defaults_it_was_trained_with(later: Path) -> None:
    run = Run(later / NAME / "seed0")
    config = run.config()
    recorded = config.defaults["method"]["mixup"]
    method = load_method(run, config, 10, Machine(torch.device("cpu")))
    assert isinstance(method, LinearProbe)
    assert method.config.mixup == recorded
    old = config.model_copy(update={"defaults": {}})  # as earlier versions wrote it
    assert load_method(run, old, 10, Machine(torch.device("cpu"))).config.mixup == recorded + 0.25  # type: ignore[union-attr]


def test_the_same_run_again_is_finished_already(out: Path, manifest: Path) -> None:
    default = LinearProbe.Config.model_fields["mixup"].default
    assert "finished already" in fit(manifest, out)
    assert "finished already" in fit(manifest, out, "--set", f"method.mixup={default}")
    with pytest.raises(UserError, match=r"method\.mixup"):
        fit(manifest, out, "--set", f"method.mixup={default + 0.25}")


def test_a_run_of_an_earlier_version_keeps_its_configuration(out: Path, manifest: Path) -> None:
    run = Run(out / NAME / "seed0")
    run.write_config(run.config().model_copy(update={"defaults": {}}))
    assert "finished already" in fit(manifest, out)
    assert run.config().defaults == {}


def test_the_configuration_of_a_run_as_a_file_keeps_its_defaults(later: Path, tmp_path: Path) -> None:
    run = later / NAME / "seed0"
    avtrain_("fit", "--config", run / "config.yaml", "--out", tmp_path / "again")
    assert Run(tmp_path / "again" / NAME / "seed0").config() == Run(run).config()
    printed = avtrain_("fit", "--config", run / "config.yaml", "--method", "finetune", "--print-config")
    assert "mixup" not in printed  # a default of the other method


def test_defaults_that_are_none_are_refused_with_their_line(later: Path, tmp_path: Path) -> None:
    written = (later / NAME / "seed0" / "config.yaml").read_text()
    file = tmp_path / "config.yaml"
    file.write_text(written[: written.index("defaults:")] + "defaults: {head: 3}\n")
    with pytest.raises(UserError, match=r"line \d+ +defaults: must be options of method and backbone"):
        avtrain_("fit", "--config", file, "--out", tmp_path)


@pytest.mark.parametrize("backbone", sorted(all_backbones()))
@pytest.mark.parametrize("method", sorted(all_methods()))
def test_recorded_defaults_are_read_as_they_were(method: str, backbone: str, manifest: Path) -> None:
    bare = RunConfig(fit=FitConfig(method=method, backbone=backbone), manifest=load_manifest(str(manifest)))
    recorded = with_defaults(bare)
    assert checked_options(recorded) == checked_options(bare)
    assert with_defaults(recorded) == recorded


@pytest.mark.parametrize("system", [*TABLE_1.systems, *TABLE_3.systems], ids=lambda system: system.name)
def test_recorded_defaults_do_not_get_in_the_way_of_given_options(system: System, manifest: Path) -> None:
    fit = FitConfig(method=system.method, backbone="tiny", method_options=dict(system.method_options))
    bare = RunConfig(fit=fit, manifest=load_manifest(str(manifest)))
    recorded = with_defaults(bare)
    assert checked_options(recorded) == checked_options(bare)
    given, defaults = recorded.fit.method_options, recorded.defaults["method"]
    assert method_config(system.method, given, defaults).model_fields_set == given.keys()  # defaults are not given
    backbone = build_backbone("tiny", recorded.backbone_options, None, ("audio", "image"))
    if "fixed" not in system.name:  # its weights are given with the data
        assert build_method(system.method, given, backbone, 4, 4, defaults).name == system.method
