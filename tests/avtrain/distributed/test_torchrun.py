"""Several processes under torchrun: the same training as in one, one run folder, one message where it fails."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from avbuild.errors import UsageError, UserError
from avtrain.backbones.registry import build_backbone
from avtrain.data.batch import Batch
from avtrain.data.row_share import RowShare
from avtrain.distributed.process_group import rank_device, runs_under_torchrun
from avtrain.distributed.row_sharing import gather_rows, rowwise
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.registry import METHODS, build_method
from tests.avtrain.methods.test_all_methods import CLASSES, OPTIONS, SCENARIOS, SMALL, WITHOUT_STEPS, batch_of
from tests.avtrain.training.test_fit import SMALL as SMALL_BACKBONE
from tests.avtrain.training.test_fit import avtrain_, weights
from tests.conftest import REPOSITORY
from tests.support.video_data import write_data

VARIANTS = {
    **{name: OPTIONS.get(name, {}) for name in METHODS if name not in WITHOUT_STEPS},
    "prompt input": {**OPTIONS["prompt"], "depth": "input"},
    "prompt deep": {**OPTIONS["prompt"], "depth": "deep"},
    "map attention": OPTIONS["map attention"],
    "lora dropout": {"rank": 3, "dropout": 0.5},  # draws in each process: agrees between them, with one only in law
    "finetune unimodal": {"unimodal_loss": 0.5},
    "spiking trained": OPTIONS["spiking trained"],
}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
# 80 training samples: the last batch of 27 has 26, the last of 79 a single one, which leaves a process without any
FIT = ("--backbone", "tiny", "--epochs", "3", "--lr", "0.002", *SMALL_BACKBONE)


def method_and_batch(name: str) -> tuple[Method, Batch]:
    """A method with weights of which all matter, and 5 samples of which some lack a modality; always the same."""
    torch.manual_seed(0)
    backbone = build_backbone("tiny", SMALL)
    method = build_method(name.split(maxsplit=1)[0], VARIANTS[name], backbone, CLASSES, SCENARIOS)
    with torch.no_grad():
        for weight in method.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    audio = torch.tensor([True, True, False, True, False])
    image = torch.tensor([False, True, True, True, True])
    return method.train(), replace(batch_of(5), present={"audio": audio, "image": image})


def gradients(method: Method, batch: Batch) -> dict[str, Tensor | None]:
    """Of the second of two steps: what is drawn in the first must leave all processes at the same place."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(method.parameter_groups(0.01))
    for step in (0, 1):
        method.progress = TrainingProgress(1, 1, step, 4)  # a teacher leaves steps to its student
        method.training_step(batch, optimizer)
    return {key: weight.grad for key, weight in method.named_parameters()}


def torchrun(processes: int, *arguments: object, program: tuple[str, ...] = ("-m", "avtrain")) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    command = [*TORCHRUN, str(processes), *program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    return done.returncode, done.stdout, done.stderr


def own_tracebacks(errors: str) -> int:
    """Without that of torchrun, which always tells where it gave up."""
    return errors.count("Traceback (most") - errors.count("ChildFailedError: ")


def logged(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "digest")} for line in lines]


def assert_same_training(one: Path, other: Path) -> None:
    for mine, theirs in zip(logged(one), logged(other), strict=True):
        for sums in ("loss", "gradient_norms"):
            assert mine.pop(sums) == pytest.approx(theirs.pop(sums), rel=1e-5)
        assert mine == theirs
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for key, value in first.items():
        # softmax takes no notice of what is added to all keys: this gradient is rounding, which Adam makes steps of
        tolerance = 1e-3 if key.endswith("key.bias") else 1e-5
        torch.testing.assert_close(
            second[key], value, rtol=0, atol=tolerance, msg=lambda text, key=key: f"{key} {text}"
        )


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


def test_every_method_has_the_gradients_of_the_whole_batch(tmp_path: Path) -> None:
    code, _, errors = torchrun(2, "gradients", tmp_path, program=("-m", "tests.support.two_processes"))
    assert code == 0, errors
    for number, name in enumerate(VARIANTS):
        expected = gradients(*method_and_batch(name))
        got = torch.load(tmp_path / f"{number}.pt")
        assert got.keys() == expected.keys()
        if name == "lora dropout":
            continue
        for key, value in expected.items():
            assert (got[key] is None) == (value is None), f"{name}: {key}"
            if value is not None:
                torch.testing.assert_close(got[key], value, rtol=1e-4, atol=1e-6, msg=f"{name}: {key}")


def test_killed_and_resumed_by_two_it_is_the_training_of_one(manifest: Path, tmp_path: Path) -> None:
    fit = ("fit", manifest, *FIT, "--batch-size", 27)
    avtrain_(*fit, "--out", tmp_path / "one")
    killed = (*fit, "--out", tmp_path / "two")
    code, _, _ = torchrun(2, "die", *killed, program=("-m", "tests.support.two_processes"))
    run = "urbansound8k-av-finetune-tiny/seed0"
    assert code != 0
    assert (tmp_path / "two" / run / "state.pt").exists()
    assert not (tmp_path / "two" / run / "result.json").exists()
    code, printed, errors = torchrun(2, *killed)
    assert code == 0, errors
    assert printed.count("validation") == 1
    assert [path.name for path in (tmp_path / "two").rglob("seed*")] == ["seed0"]
    assert_same_training(tmp_path / "one" / run, tmp_path / "two" / run)
    names = [{path.name for path in (tmp_path / out / run).iterdir()} for out in ("one", "two")]
    assert names[0] == names[1]


def test_frozen_features_are_cached_once_and_the_prompts_on_them_are_those_of_one(
    manifest: Path, tmp_path: Path
) -> None:
    fit = ("fit", manifest, *FIT, "--method", "prompt", "--set", "method.heads=2", "--batch-size", 79)
    avtrain_(*fit, "--out", tmp_path / "one", "--cache", tmp_path / "cache of one")
    code, _, errors = torchrun(2, *fit, "--out", tmp_path / "two", "--cache", tmp_path / "cache of two")
    assert code == 0, errors
    folders = [sorted(path.name for path in (tmp_path / f"cache of {n}").iterdir()) for n in ("one", "two")]
    assert folders[0] == folders[1]
    run = "urbansound8k-av-prompt-tiny/seed0"
    assert_same_training(tmp_path / "one" / run, tmp_path / "two" / run)


def test_batch_norm_sees_the_whole_batch_in_every_process(tmp_path: Path) -> None:
    manifest = write_data(tmp_path / "data", ("image",))
    small = ("--set", "backbone.image_size=16", "--set", "optimizer=sgd")
    fit = ("fit", manifest, "--backbone", "resnet", "--epochs", 1, "--batch-size", 12, "--name", "run", *small)
    avtrain_(*fit, "--out", tmp_path / "one")
    code, _, errors = torchrun(2, *fit, "--out", tmp_path / "two")
    assert code == 0, errors
    assert_same_training(tmp_path / "one" / "run" / "seed0", tmp_path / "two" / "run" / "seed0")


def test_what_one_process_finds_wrong_is_said_once_and_ends_all(manifest: Path, tmp_path: Path) -> None:
    fit = ("fit", manifest, *FIT, "--out", tmp_path)
    code, _, errors = torchrun(2, "fail", *fit, program=("-m", "tests.support.two_processes"))
    assert code != 0
    assert errors.count("error: this recording cannot be read") == 1
    assert own_tracebacks(errors) == 0


def test_what_all_find_wrong_is_said_once() -> None:
    code, _, errors = torchrun(2, "report", "runs")
    assert code != 0
    message = "error: torchrun is for avtrain fit; run avtrain report without it"
    assert errors.count("error: ") == errors.count(message) == 1
    assert own_tracebacks(errors) == 0


def test_half_of_what_torchrun_says_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not runs_under_torchrun()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match="LOCAL_RANK, MASTER_ADDR, MASTER_PORT is absent; start with  torchrun"):
        runs_under_torchrun()


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert rank_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="process 3 on a machine with 2 GPUs; use --nproc-per-node 2 or less"):
        rank_device("cuda")
    with pytest.raises(UsageError, match="--device cuda:1: under torchrun every process has a GPU of its own"):
        rank_device("cuda:1")


@pytest.mark.parametrize("n", [0, 1, 2, 5, 32])
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_every_row_is_one_process_own(n: int, world: int) -> None:
    shares = [RowShare(rank, world).rows(n) for rank in range(world)]
    assert [row for share in shares for row in share] == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_single_process_shares_nothing() -> None:
    batch = batch_of(3)
    assert gather_rows(batch) is batch
    assert rowwise(shutil.copy) is shutil.copy
