"""docs/tasks.md: each of its ten tasks runs as it is written, and ends with what it promises."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from avbuild.cli import app as avbuild
from avtrain.cli import app as avtrain
from tests.avtrain.training.test_fit import SMALL
from tests.conftest import REPOSITORY, write_image_folder
from tests.support.stopping import stopped_in

PAGE = (REPOSITORY / "docs" / "tasks.md").read_text(encoding="utf-8")
TASKS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
PROGRAMS = {"avbuild": avbuild, "avtrain": avtrain}
# no worker processes, and a smaller backbone than `tiny`, to save time; everything else is as written
QUICK = {("avbuild", "make"): ["--workers", "1"], ("avtrain", "fit"): SMALL, ("avtrain", "sweep"): SMALL}
CLASSES = ("dog", "cat", "horse")


class StubHub:
    """In place of the Hub's API: every repository is new and empty, and takes what is sent."""

    def create_repo(self, repo_id: str, **options: object) -> str:
        assert options["private"] is True
        return f"hub://{repo_id}"

    def list_repo_files(self, repo_id: str, **options: object) -> list[str]:
        return []

    def upload_folder(self, **options: Any) -> None:
        assert any(name.startswith("C/test-") for name in options["allow_patterns"])

    def create_commit(self, repo_id: str, *, operations: list[Any], **options: object) -> None:
        assert {"config.yaml", "model.safetensors", "README.md"} <= {each.path_in_repo for each in operations}


def run(program: str, *arguments: str) -> str:
    """Run a command in this process, and return what it prints."""
    result = CliRunner().invoke(PROGRAMS[program], list(arguments))
    assert result.exit_code == 0, f"{program} {shlex.join(arguments)}: {result.exception or result.output}"
    return result.stdout


def blocks(task: str) -> list[tuple[str, str]]:
    """Return the language and the text of each code block of a task."""
    return re.findall(r"```(\w+)\n(.*?)```", TASKS[task], flags=re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has run `make demo` on a small scale, and has folders of their own; not changed."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(REPOSITORY / "manifests", folder / "manifests")
    run("avbuild", "make", "demo-av", "--out", str(folder / "demo"), "--limit", "100", "--workers", "1")
    fit = (str(folder / "manifests" / "demo.yaml"), "--backbone", "tiny", "--epochs", "1", *SMALL)
    run("avtrain", "fit", *fit, "--out", str(folder / "demo" / "runs"))
    run("avtrain", "eval", str(folder / "demo" / "runs"))
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / "my-audio" / name).mkdir(parents=True)
        for number in range(20):
            clip = rng.uniform(-0.5, 0.5, 8_000)
            soundfile.write(folder / "my-audio" / name / f"{number}.wav", clip, 16_000)
    write_image_folder(folder / "my-images", 20, CLASSES)
    soundfile.write(folder / "bark.wav", rng.uniform(-0.5, 0.5, (6400, 2)), 22_050)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / "dog.jpg")
    return folder


@pytest.fixture
def reader(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder as the current one, with a stand-in for the Hub."""
    folder = Path(shutil.copytree(demo, tmp_path / "reader"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi", StubHub)
    monkeypatch.setenv("COLUMNS", "250")
    return folder


def run_line(line: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run one line as a shell does; `stop it with Ctrl-C` in its comment stops the training after an epoch."""
    printed = ""
    for command in " ".join(shlex.split(line, comments=True)).split(" && "):
        words, _, target = command.partition(" > ")
        program, *arguments = words.split()
        if program == "cd":
            monkeypatch.chdir(arguments[0])
        elif program in PROGRAMS:
            quick = QUICK.get((program, arguments[0]), [])
            with stopped_in(epoch=1) if "Ctrl-C" in line else nullcontext():
                printed = run(program, *arguments, *quick)
        else:
            assert program in ("tar", "mkdir"), f"this test cannot run {program}"
            subprocess.run([program, *arguments], check=True)
        if target:
            Path(target).write_text(printed)
    return printed


def run_task(task: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """Run all blocks of a task; return what its commands print, and the names that its Python code defines."""
    printed, names = "", dict[str, Any]()
    for language, text in blocks(task):
        if language == "bash":
            printed += "".join(run_line(line, monkeypatch) for line in text.splitlines())
        elif file := re.search(r"in the file `(\w+\.py)`", TASKS[task]):
            Path(file[1]).write_text(text)
        else:
            exec(compile(text, "docs/tasks.md", "exec"), names)
    return printed, names


def missing_audio(printed: str, names: dict[str, Any]) -> None:
    table = Path("missing.tex").read_text()
    rows = [line for line in table.splitlines() if "&" in line]
    header, late, gated = (next(row for row in rows if word in row) for word in ("M30", "late-fusion", "gated"))
    assert [word in header for word in ("M30", "M50", "M70")] == [True] * 3
    assert late.count("pm") == gated.count("pm") >= 4  # mean ± std over three seeds in every column
    rates = {
        name: json.loads(next(Path("runs/missing").glob(f"*late-fusion*/seed2/eval/{name}.json")).read_text())
        for name in ("M30", "M50", "M70")
    }
    achieved = [evaluation["missing_rate"]["audio"] for evaluation in rates.values()]
    assert 0 < achieved[0] < achieved[1] < achieved[2] < 1


def snr_curve(printed: str, names: dict[str, Any]) -> None:
    assert "gaussian_noise: signal-to-noise ratio (dB)" in Path("demo/runs/report.html").read_text()
    assert "signal-to-noise ratio (dB) | -10 | -5 | 0 | 5 | 10 | 15 | 20 |" in Path("demo/runs/report.md").read_text()


def wrong_samples(printed: str, names: dict[str, Any]) -> None:
    page = Path("wrong.html").read_text()
    assert page.count("<article") == 10
    assert page.count("<audio") == 20  # clean and corrupted
    assert len(list(csv.DictReader(Path("wrong.csv").read_text().splitlines()))) == 10


def ten_folds(printed: str, names: dict[str, Any]) -> None:
    assert len(list(Path("runs/folds").glob("*/fold*/seed0/result.json"))) == 10
    assert "Cross-validation over 10 folds" in Path("runs/folds/report.html").read_text()


def moved(printed: str, names: dict[str, Any]) -> None:
    assert Path.cwd().name == "other"
    metrics = Path("runs/long/demo-finetune-tiny/seed0/metrics.jsonl")
    here, there = (place.read_text().splitlines() for place in (".." / metrics, metrics))
    assert [json.loads(line)["epoch"] for line in there] == [1, 2, 3]
    assert here == there[:1]  # it went on with the second epoch


def pushed(printed: str, names: dict[str, Any]) -> None:
    assert [f"sent: hub://OWNER/{name}" in printed for name in ("demo-av", "demo-finetune")] == [True] * 2
    assert "2026-11-30" in Path("demo/demo-av/croissant.json").read_text()


def service(printed: str, names: dict[str, Any]) -> None:
    answer = names["answer"]
    assert answer["missing"] == ("image",)
    assert 0.1 <= answer["probability"] <= 1  # the largest of ten


def significance(printed: str, names: dict[str, Any]) -> None:
    assert [word in printed for word in ("linear-probe", "late-fusion", "95 %", "mean")] == [True] * 4


def own_model(printed: str, names: dict[str, Any]) -> None:
    assert "colours (outside model" in " ".join(printed.split())


def sweep(printed: str, names: dict[str, Any]) -> None:
    (table,) = Path("runs/sweep").glob("*/sweep.csv")
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == 4
    assert "method.head_lr" in Path("runs/sweep/report.md").read_text()
    assert not list(Path("runs/sweep").rglob("eval"))  # the test split is not read
    assert "next: avtrain fit manifests/demo.yaml" in printed


CHECKS: dict[str, Callable[[str, dict[str, Any]], None]] = {
    "A table of missing audio for your own folders": missing_audio,
    "Accuracy over the signal-to-noise ratio": snr_curve,
    "The samples that are wrong": wrong_samples,
    "Ten folds": ten_folds,
    "Move a run to another machine and go on": moved,
    "Push a data set and a model": pushed,
    "Classify in a Python service": service,
    "Is the difference significant?": significance,
    "Score a model of your own": own_model,
    "A sweep": sweep,
}


@pytest.mark.parametrize("task", CHECKS)
def test_a_task_runs_as_written(task: str, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CHECKS[task](*run_task(task, monkeypatch))


def test_there_are_ten_tasks_of_at_most_six_lines() -> None:
    assert list(TASKS) == list(CHECKS)
    assert len(TASKS) == 10
    for task in TASKS:
        lines = [line for _, text in blocks(task) for line in text.splitlines() if line.strip()]
        assert 1 <= len(lines) <= 6, task
