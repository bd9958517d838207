"""Runs of an earlier version of the front end: read with the version they were trained with, never continued."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from avbuild.errors import UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.backbones.registry import build_backbone
from avtrain.config import FitConfig, RunConfig
from avtrain.device import Machine
from avtrain.evaluation.evaluate import load_method
from avtrain.frontends.base import version_of
from avtrain.frontends.log_stft import StftFrontend
from avtrain.methods.registry import build_method
from avtrain.runs.folder import Run
from avtrain.training.checkpoint import TrainingState, fingerprints_of
from tests.support.toys import sgd, toy_method

SMALL = {"image_size": 32, "audio_seconds": 0.5}


def test_an_old_run_is_read_as_it_was_trained_and_says_so(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = FitConfig(method="sum", backbone="resnet", backbone_options=SMALL)
    config, run = RunConfig(fit=fit, manifest=load_manifest(str(small_data / "manifest.yaml"))), Run(tmp_path)
    scenarios = len(config.manifest.scenarios)
    run.save_weights(build_method("sum", {}, build_backbone("resnet", SMALL), 3, scenarios).state_dict())
    for recorded, version in (({"frontend_version": 2}, 2), ({}, 1)):  # avtrain 0.1 recorded none
        run.write_json("result.json", recorded)
        method = load_method(run, config, 3, Machine(torch.device("cpu")))
        assert version_of(method.backbone.frontend) == version
        assert ("trained with version 1 of its front end" in capsys.readouterr().err) == (version == 1)


@pytest.mark.parametrize(("begun_with", "now"), [(1, 2), (2, 1)])
def test_an_unfinished_run_of_another_version_is_not_continued(tmp_path: Path, begun_with: int, now: int) -> None:
    run, method = Run(tmp_path), toy_method("sum")

    def state(version: int) -> TrainingState:
        method.backbone.frontend = replace(StftFrontend(), version=version)
        return TrainingState(method, sgd(method), fingerprints_of(method, {}))

    run.save_weights(method.state_dict())
    run.save_state(state(begun_with).as_dict())
    state(begun_with).restore(run)
    with pytest.raises(UserError, match=f"with version of the front end: {begun_with}; here it is {now}"):
        state(now).restore(run)
