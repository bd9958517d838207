"""Commands that take over two seconds show their progress in a terminal, and print nothing of it into a pipe."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console
from typer.testing import CliRunner

from avtrain.cli import app
from tests.avtrain.training.test_fit import avtrain_, fit

FINETUNE = "urbansound8k-av-finetune-tiny"
COMMANDS = {
    "eval": (["eval", FINETUNE], "evaluating", "4/4"),
    "report": (["report", "."], "reporting", "/7"),
    "predict": (["predict", FINETUNE, "--audio", "a.wav"], "predicting", "3/3"),
    "export": (["export", FINETUNE, "--without-frontend", "--out", "model.pt2"], "exporting", "5/5"),
}


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with scores, and a clip; do not change it."""
    out = fit(small_data / "manifest.yaml", tmp_path_factory.mktemp("runs"), "--epochs", 1)
    avtrain_("eval", out)
    soundfile.write(out / "a.wav", np.zeros(8_000), 16_000)
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_progress_is_shown_in_a_terminal(runs: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, title, last = COMMANDS[command]
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr("avbuild.progress.console", terminal)
    monkeypatch.chdir(runs)
    avtrain_(*arguments)
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert title in shown
    assert last in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_it_goes_into_a_pipe(runs: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, title, _ = COMMANDS[command]
    monkeypatch.chdir(runs)
    monkeypatch.setattr("avbuild.progress.console", Console(file=sys.stderr))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert title not in result.output
