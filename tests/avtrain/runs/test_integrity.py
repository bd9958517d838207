"""Damaged files of a run, two trainings in one folder, and folders that only look like runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from avbuild.dataset.storage import partial_name
from avbuild.errors import UsageError, UserError
from avtrain.runs.folder import Run
from avtrain.runs.lock import locked
from avtrain.runs.sealed import open_object, open_tensors, open_text, sealed_object, sealed_tensors, sealed_text
from avtrain.runs.search import find_runs
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.stopping import stopped_in

NAME = "urbansound8k-av-finetune-tiny"


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.fixture(scope="module")
def made(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seed 0, finished and evaluated, and seed 1, stopped; do not change it."""
    out = fit(manifest, tmp_path_factory.mktemp("made"), "--epochs", 2)
    with stopped_in(epoch=1):
        fit(manifest, out, "--epochs", 2, "--seeds", 1)
    return out / NAME


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / NAME))


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("content", [{"a": 1.5, "b": {"2": [1], "10": None}}, {}, {"id": "0" * 32}])
def test_an_object_is_read_back_and_no_damage_to_its_digest_hides_other_damage(content: dict[str, object]) -> None:
    written = json.dumps(sealed_object(content))
    assert open_object(written.encode(), "x") == content
    for changed in (written.replace('"digest"', '"dihest"'), written.replace('"digest"', '"dihest"').replace("1", "2")):
        with pytest.raises(UserError, match=r"^x: damaged"):
            open_object(changed.encode(), "x")
    with pytest.raises(UserError, match=r"^x: damaged"):
        open_object(b"[1]", "x")


def test_text_that_was_cut_anywhere_is_not_taken_for_text_of_version_0_1() -> None:
    data = sealed_text("fit: 1\nmanifest: é\n").encode()
    assert open_text(data, "x") == "fit: 1\nmanifest: é\n"
    assert open_text(b"fit: 1\n", "x") == "fit: 1\n"
    for length in range(len(data)):
        with pytest.raises(UserError, match=r"^x: damaged"):
            open_text(data[:length], "x")


def test_weights_know_their_values_names_and_shapes(tmp_path: Path) -> None:
    weights = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(3), "c": torch.ones(2, dtype=torch.bfloat16)}
    path = tmp_path / "w.safetensors"
    data = sealed_tensors(weights)
    path.write_bytes(data)
    found = open_tensors(path)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    for changed in (
        data[:-1] + b"\x01",
        data.replace(b"[2,3]", b"[3,2]"),
        data.replace(b'"b"', b'"d"'),
        data[:-3],
        b"",
    ):
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"w\.safetensors: damaged"):
            open_tensors(path)


def test_a_line_that_is_missing_from_the_log_is_noticed(runs: Path) -> None:
    path = runs / "seed0" / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for kept in (lines[:1], lines[1:], []):
        path.write_text("".join(kept))
        with pytest.raises(UserError, match=r"metrics\.jsonl: damaged: .* 1 to 2 are expected"):
            Run(runs / "seed0").metrics()


@pytest.mark.parametrize("name", ["config.yaml", "result.json", "model.safetensors"])
def test_a_damaged_run_does_not_hide_the_scores_of_the_others(runs: Path, name: str) -> None:
    shutil.copytree(runs / "seed0", runs / "seed7")
    (runs / "seed0" / name).write_bytes((runs / "seed0" / name).read_bytes()[:-40])
    with pytest.raises(UserError) as found:
        avtrain_("eval", runs, "--scenarios", "C")
    assert f"seed0/{name}: damaged" in str(found.value)
    assert "seed1: training is not finished" in str(found.value)
    assert [path.parent.parent.name for path in runs.glob("*/eval/C.json")] == ["seed7"]


@pytest.mark.parametrize("content", [b"", None])
@pytest.mark.parametrize("name", ["state.pt", "model.safetensors"])
def test_a_stopped_run_with_a_damaged_checkpoint_is_not_continued(
    manifest: Path, runs: Path, name: str, content: bytes | None
) -> None:
    path = runs / "seed1" / name
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with pytest.raises(UserError, match=f"seed1/{name}: damaged"):
        fit(manifest, runs.parent, "--epochs", 2, "--seeds", 1)


def test_a_folder_of_a_tracker_and_hidden_ones_are_no_runs(runs: Path) -> None:
    for name in ("seed0/wandb/run-1/files", ".trash/seed9", "notes"):
        (runs / name).mkdir(parents=True)
        (runs / name / "config.yaml").write_text("lr: 1\n")
    assert [run.folder.name for run in find_runs([runs, runs / "seed0"])] == ["seed0", "seed1"]
    (runs / "seed0" / "config.yaml").write_bytes(b"")  # still a run, and a damaged one
    assert len(find_runs([runs])) == 2


def test_a_start_from_several_runs_of_other_seeds_is_refused(manifest: Path, runs: Path) -> None:
    with pytest.raises(UsageError, match=r"holds 2 runs and none is seed5; name one\n.*seed0\n.*seed1"):
        fit(manifest, runs.parent, "--method", "concat", "--seeds", 5, "--init-from", runs)


def test_a_second_fit_in_the_folder_is_refused_and_leaves_the_run(manifest: Path, runs: Path) -> None:
    link = runs.parent / "link"
    link.symlink_to(runs / "seed0")
    with locked(link), pytest.raises(UserError, match=f"process {os.getpid()} on .* is training it"):
        fit(manifest, runs.parent, "--epochs", 2, "--resume", "restart")
    assert Run(runs / "seed0").finished
    assert not list(runs.glob(".*"))
    with locked(runs.parent / "new" / "place" / "seed0"):
        pass
    assert not (runs.parent / "new").exists()


def test_a_run_behind_a_link_begins_anew_and_leftovers_go(manifest: Path, runs: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    (runs / "seed0").rename(real)
    (runs / "seed0").symlink_to(real)
    for left in (real, real / "eval"):
        left.mkdir(exist_ok=True)
        (left / partial_name("state.pt", dead_process())).write_text("half")
    fit(manifest, runs.parent, "--epochs", 2)  # finished: only tidied up
    assert not [path for path in real.rglob("*") if path.name.startswith(".partial")]
    before = (real / "metrics.jsonl").stat().st_mtime_ns
    fit(manifest, runs.parent, "--epochs", 2, "--resume", "restart")
    assert (runs / "seed0").is_symlink()
    assert (real / "metrics.jsonl").stat().st_mtime_ns > before


def test_weights_that_are_not_finite_are_no_result(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not finite.* lower --lr"):
        fit(manifest, tmp_path, "--lr", "1e30", "--epochs", 1, "--batch-size", 512)
    assert not list(tmp_path.rglob("result.json")) + list(tmp_path.rglob("model.safetensors"))


def test_an_export_replaces_an_export_and_nothing_else(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.pt2"
    for _ in range(2):
        avtrain_("export", runs / "seed0", "--out", out)
    for path in (runs / "seed0" / "model.safetensors", runs / "seed0" / "config.yaml", runs):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(UserError, match=r"did not write this file|is a folder"):
            avtrain_("export", runs / "seed0", "--out", path)
        assert not path.is_file() or path.read_bytes() == before
