"""Trackers show what metrics.jsonl holds, epoch by epoch and once each, and change nothing of the training."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

import avtrain.training.tracking
from avbuild.errors import UserError
from avtrain.runs.folder import Run
from avtrain.training.tracking import check_trackers, scalars, tracking
from tests.avtrain.training.test_fit import fit, weights
from tests.support.stopping import stopped_in

RUN = "urbansound8k-av-finetune-tiny/seed0"


def shown(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would draw: steps and values by name."""
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def logged(run: Path) -> dict[str, list[tuple[int, float]]]:
    """The same from metrics.jsonl, as float32 like TensorBoard's."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        name: [(line["epoch"], torch.tensor(scalars(line)[name]).item()) for line in lines]
        for name in scalars(lines[0])
    }


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.fixture(scope="module")
def plain(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without further trackers; do not change it."""
    return fit(manifest, tmp_path_factory.mktemp("plain")) / RUN


def test_tensorboard_shows_every_epoch_once(plain: Path) -> None:
    found = shown(plain)
    assert found == logged(plain)
    assert [step for step, _ in found["loss"]] == [1, 2, 3]
    assert set(found) == {
        "loss", "learning_rate", "validation", "seconds/train", "seconds/all",
        *(f"validation/{scenario}" for scenario in "CAVD"),
        *(f"unimodal/{scenario}/{modality}" for scenario in "CAVD" for modality in ("audio", "image")),
        "gradient_norm/audio", "gradient_norm/image",
    }  # fmt: skip
    assert 0 < found["learning_rate"][-1][1] < found["learning_rate"][0][1] <= 0.002


def test_a_resumed_run_shows_no_step_twice(manifest: Path, tmp_path: Path) -> None:
    with stopped_in(epoch=2, saved=False):  # it is logged by now, and will be trained again
        fit(manifest, tmp_path)
    run = tmp_path / RUN
    assert [step for step, _ in shown(run)["loss"]] == [1, 2]
    fit(manifest, tmp_path)
    assert len(list((run / "tensorboard").iterdir())) == 2
    assert shown(run) == logged(run)


def test_a_run_begun_anew_forgets_what_was_shown(manifest: Path, tmp_path: Path) -> None:
    fit(manifest, tmp_path)
    fit(manifest, tmp_path, "--resume", "restart", "--epochs", 1)
    assert [step for step, _ in shown(tmp_path / RUN)["loss"]] == [1]


def test_wandb_writes_offline_and_changes_no_weight(
    plain: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = fit(manifest, tmp_path, "--track", "wandb") / RUN
    (file,) = run.glob("wandb/offline-run-*/run-*.wandb")
    written = file.read_bytes()
    assert b"validation/D" in written
    assert json.loads((run / "tracking.json").read_text())["id"] in file.name
    own, tracked = weights(plain), weights(run)
    assert all(torch.equal(own[key], tracked[key]) for key in own)
    assert shown(run)["loss"] == shown(plain)["loss"]


def test_what_wandb_refuses_is_said(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")

    def refuse(**_: object) -> None:
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "init", refuse)
    with (
        pytest.raises(UserError, match=r"--track wandb: No API key configured\.\nWANDB_MODE=offline"),
        tracking(Run(tmp_path), Run(plain).config(), 0, ["wandb"]),
    ):
        pass


TRACKIO = """
import json, sys
from pathlib import Path
import trackio
from avtrain.runs.folder import Run
from avtrain.training.tracking import tracking
run = Run(Path(sys.argv[1]))
for done in (0, 1):
    with tracking(Run(run.folder / "copy"), run.config(), done, ["trackio"]) as log:
        log(run.metrics()[done])
(found,) = trackio.Api().runs(run.config().manifest.name)
from trackio.sqlite_storage import SQLiteStorage
Path(sys.argv[2]).write_text(json.dumps([found.name, SQLiteStorage.get_logs(found.project, found.name)], default=str))
"""


def test_trackio_writes_to_its_folder_and_goes_on(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    home = tmp_path / "trackio"
    # it reads its folder when it is imported, so it needs a process of its own
    subprocess.run(
        [sys.executable, "-c", TRACKIO, str(plain), str(tmp_path / "found.json")],
        check=True,
        env={**os.environ, "TRACKIO_DIR": str(home)},
    )
    assert list(home.rglob("*.db"))
    name, lines = json.loads((tmp_path / "found.json").read_text())
    assert name.startswith("seed0-copy-")
    wanted = [line["selection"]["D"] for line in Run(plain).metrics()[:2]]
    assert [line["validation/D"] for line in lines] == wanted
    assert [line["step"] for line in lines] == [1, 2]


def test_a_tracker_that_is_unknown_or_absent_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--track mlflow: allowed are wandb, trackio") as caught:
        check_trackers(["mlflow"])
    assert caught.value.exit_code == 2

    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(avtrain.training.tracking, "version", absent)
    with pytest.raises(UserError, match=r"pip install 'avbuild\[wandb\]'"):
        check_trackers(["wandb"])


def test_the_accumulator_would_see_a_step_twice(tmp_path: Path) -> None:
    # the check above has teeth: without the purge the same reader finds the step twice
    for _ in range(2):
        writer = SummaryWriter(tmp_path / "tensorboard")
        writer.add_scalar("loss", 1.0, 2)
        writer.close()
    assert [step for step, _ in shown(tmp_path)["loss"]] == [2, 2]
