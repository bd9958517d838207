"""Methods whose steps depend on where training stands: stopped between epochs they go on as if they had not been."""

from pathlib import Path

import pytest
import torch

from tests.avtrain.distributed.test_torchrun import logged
from tests.avtrain.training.test_fit import fit, weights
from tests.support.stopping import last_states, stopped_in


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Options that let all trainings here share the features of their frozen backbones."""
    return "--cache", tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("method", ["recon-boost", "lfm", "mmpareto", "adapter", "prompt"])
def test_stopped_and_resumed_it_ends_with_the_same_weights(
    small_data: Path, cache: tuple[str, Path], tmp_path: Path, method: str
) -> None:
    arguments = ("--method", method, "--lr", "0.01", *cache)
    manifest, run = small_data / "manifest.yaml", f"urbansound8k-av-{method}-tiny/seed0"
    whole = fit(manifest, tmp_path / "whole", *arguments) / run
    with stopped_in(epoch=1):
        fit(manifest, tmp_path / "parts", *arguments)
    resumed = fit(manifest, tmp_path / "parts", *arguments) / run
    first, second = weights(whole), weights(resumed)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert logged(whole) == logged(resumed)


@pytest.mark.parametrize(("method", "stops"), [("mmin", (1, 3)), ("if-mmin", (3,)), ("tate", (1,)), ("cpm-net", (3,))])
def test_methods_in_two_stages_resume_in_either(
    small_data: Path, cache: tuple[str, Path], tmp_path: Path, method: str, stops: tuple[int, ...]
) -> None:
    """The teacher has 1.4 of 4 epochs, so the student starts inside the second and goes on in the fourth."""
    stages = () if method == "cpm-net" else ("--set", "method.teacher_share=0.35")
    arguments = ("--method", method, "--epochs", 4, "--batch-size", 24, *stages, *cache)
    manifest, run = small_data / "manifest.yaml", f"urbansound8k-av-{method}-tiny/seed0"
    whole = fit(manifest, tmp_path / "whole", *arguments) / run
    for epoch in stops:
        with stopped_in(epoch=epoch):
            fit(manifest, tmp_path / "parts", *arguments)
    resumed = fit(manifest, tmp_path / "parts", *arguments) / run
    first, second = weights(whole), weights(resumed)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert logged(whole) == logged(resumed)


def test_frozen_weights_are_not_saved_again_each_epoch(small_data: Path, tmp_path: Path) -> None:
    with last_states() as last:
        out = fit(small_data / "manifest.yaml", tmp_path, "--method", "linear-probe", "--epochs", 1)
    saved = last[out / "urbansound8k-av-linear-probe-tiny" / "seed0"]["method"]
    assert saved
    assert not [name for name in saved if name.startswith("backbone.")]
