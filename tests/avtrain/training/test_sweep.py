"""Sweeps: ranked on validation, resumable, and without the test split."""

import csv
import shlex
import shutil
from pathlib import Path

import pytest

from avbuild.errors import UsageError, UserError
from avtrain.config import FitConfig
from avtrain.runs.folder import Run
from avtrain.runs.weights import Diverged
from avtrain.training.sweep import SweepPoint, parse_grid, run_sweep, sweep_points
from tests.avtrain.training.test_fit import avtrain_
from tests.avtrain.training.test_folds import small
from tests.support.stopping import stopped_in

NAME = "urbansound8k-av-finetune-tiny-sweep"


@pytest.fixture(scope="module")
def without_test(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set without its test split."""
    folder = Path(shutil.copytree(small_data, tmp_path_factory.mktemp("data") / small_data.name))
    for shard in folder.glob("*/test-*"):
        shard.unlink()
    return folder / "manifest.yaml"


def sweep(manifest: Path, out: Path, *more: object) -> str:
    given = ("--backbone", "tiny", "--epochs", 2, "--batch-size", 32, *small(), "--out", out)
    return avtrain_("sweep", manifest, "--grid", "lr=1e-6,3e-3", *given, *more)


def test_it_ranks_on_validation_goes_on_after_a_stop_and_prints_the_best_command(
    without_test: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    with stopped_in(epoch=1):
        sweep(without_test, out, "--seeds", "0,1")
    said = sweep(without_test, out, "--seeds", "0,1")
    rows = list(csv.DictReader((out / NAME / "sweep.csv").open()))
    assert [row["rank"] for row in rows] == ["1", "2"]
    scores = {}
    for row in rows:
        runs = [Run(out / NAME / row["folder"] / f"seed{seed}") for seed in (0, 1)]
        values = [run.read_json("result.json")["validation"] for run in runs]
        assert float(row["validation_mean"]) == pytest.approx(sum(values) / 2, abs=1e-6)
        assert float(row["validation_std"]) == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=1e-6)
        assert {run.config().fit.lr for run in runs} == {float(row["lr"])}
        scores[row["lr"]] = sum(values)
    assert rows[0]["lr"] == max(scores, key=scores.__getitem__)
    again = sweep(without_test, out, "--seeds", "0,1")
    assert again.count("finished already") == 4
    last = said.splitlines()[-1]
    assert last.startswith("next: avtrain fit ")
    command = shlex.split(last.removeprefix("next: avtrain "))
    assert f"lr={rows[0]['lr']}" in command
    assert "finished already" not in avtrain_(*command)
    best = Run(out / "urbansound8k-av-finetune-tiny" / "seed1").read_json("result.json")["validation"]
    assert best == Run(out / NAME / rows[0]["folder"] / "seed1").read_json("result.json")["validation"]


def test_a_combination_that_diverges_is_ranked_last_and_the_others_are_trained(tmp_path: Path) -> None:
    points = [SweepPoint({"lr": lr}, FitConfig(lr=lr)) for lr in (1.0, 0.1)]

    def train(point: SweepPoint, seed: int, place: Path) -> None:
        if point.config.lr == 1.0:
            raise Diverged("the loss is nan")
        Run(place).write_json("result.json", {"validation": 0.25})

    results = run_sweep(tmp_path, points, [0], train)
    assert [(r.point.config.lr, str(r)) for r in results] == [(0.1, "25.0"), (1.0, "diverged (seed 0)")]


def test_a_full_disk_ends_the_sweep(tmp_path: Path) -> None:
    def train(*_: object) -> None:
        raise UserError("cannot be written")

    with pytest.raises(UserError, match="cannot be written"):
        run_sweep(tmp_path, [SweepPoint({}, FitConfig())], [0], train)


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        ([], "no --grid"),
        (["lr"], "write an option and its values"),
        (["lr="], "write an option and its values"),
        (["lr=1,2", "lr=3"], "given twice"),
        (["lr=1,1"], "a value is given twice"),
        (["seed=1,2"], "cannot be varied"),
    ],
)
def test_a_wrong_grid_is_explained(grids: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_grid(grids)


def test_every_combination_is_checked_before_any_is_trained() -> None:
    grid = parse_grid(["lr=1e-3,3e-3", "method.length=4,8", "epochs=1"])
    points = sweep_points(grid, {"method": "prompt", "backbone": "tiny", "method_options": {"heads": 2}})
    assert [p.name for p in points] == [f"lr={lr},method.length={n},epochs=1" for lr in (0.001, 0.003) for n in (4, 8)]
    assert all(p.config.method_options == {"heads": 2, "length": p.varied["method.length"]} for p in points)
    with pytest.raises(UsageError, match=r"lenght: unknown option; did you mean"):
        sweep_points(parse_grid(["method.lenght=4,8"]), {"method": "prompt"})
