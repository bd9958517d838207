"""Runs of methods that keep more than weights: stopped and resumed they end as if nothing had been."""

import json
from pathlib import Path

import pytest
import torch

from avbuild.errors import UserError
from tests.avtrain.training.test_fit import avtrain_, fit, weights
from tests.support.stopping import last_states, stopped_in

# the margin as described, so that nearly every pair counts; noise until the last epoch
OPTIONS = {
    "qmf": ("--set", "method.margin=as_described"),
    "ogm-ge": ("--set", "method.end=1"),
}


def fit_two_epochs(manifest: Path, out: Path, method: str) -> Path:
    fit(manifest, out, "--method", method, "--epochs", 2, *OPTIONS[method])
    return out / f"urbansound8k-av-{method}-tiny" / "seed0"


@pytest.mark.parametrize("method", OPTIONS)
def test_stopped_after_an_epoch_and_resumed_it_ends_with_the_same_weights(
    small_data: Path, tmp_path: Path, method: str
) -> None:
    manifest = small_data / "manifest.yaml"
    with stopped_in(epoch=1):
        fit_two_epochs(manifest, tmp_path / "stopped", method)
    with last_states() as last:
        whole = fit_two_epochs(manifest, tmp_path / "whole", method)
        resumed = fit_two_epochs(manifest, tmp_path / "stopped", method)
    states = [last[whole], last[resumed]]
    assert [state["epoch"] for state in states] == [2, 2]
    for key, value in states[0]["method"].items():
        assert torch.equal(value, states[1]["method"][key]), key
    first, second = weights(whole), weights(resumed)
    assert all(torch.equal(first[key], second[key]) for key in first)
    if method == "qmf":
        kept = [state["method_training"] for state in states]
        assert kept[0]["ids"] == kept[1]["ids"]
        assert torch.equal(kept[0]["sums"], kept[1]["sums"])
        assert 0 < kept[0]["counts"].max() <= 2  # once an epoch, where the modality is there


@pytest.mark.parametrize("method", ["sum", "film", "gated"])
def test_it_is_trained_and_evaluated(small_data: Path, tmp_path: Path, method: str) -> None:
    out = fit(small_data / "manifest.yaml", tmp_path, "--method", method, "--epochs", 1)
    avtrain_("eval", out, "--scenarios", "C")
    found = json.loads((out / f"urbansound8k-av-{method}-tiny" / "seed0" / "eval" / "C.json").read_text())
    assert set(found["per_modality"]) == {"audio", "image"}


def test_a_wrong_modality_is_explained_and_nothing_is_written(small_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'method.condition is "sound"'):
        fit(small_data / "manifest.yaml", tmp_path / "runs", "--method", "film", "--set", "method.condition=sound")
    assert not list((tmp_path / "runs").rglob("config.yaml"))  # rows may have been copied to the cache
