"""Damaged files of runs and of the feature cache: the same numbers, or an error that names the file."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile
from numpy.random import default_rng
from safetensors.torch import load_file
from typer.testing import CliRunner

from avbuild.errors import UserError
from avtrain.cli import app
from tests.fuzz.damage import CASES, damaged, no_hang
from tests.support.commands import succeed
from tests.support.stopping import stopped_in

OPTIONS = ("--backbone", "tiny", "--method", "linear-probe", "--set", "draws=1", "--epochs", "2", "--name", "run")
OPTIONS += tuple(f"--set=backbone.{option}" for option in ("width=8", "layers=1", "heads=2", "image_size=16"))
UNREAD = ("tensorboard", ".lock")
Numbers = Mapping[str, object]


def run(*words: object, printed: list[str] | None = None) -> UserError | None:
    """Run a command; return the error it ends with, which must be one that a user can fix.

    Args:
        words: of the command line.
        printed: takes what the command prints.
    """
    result = CliRunner().invoke(app, [str(word) for word in words])
    if printed is not None:
        printed.append(result.stdout)
    if result.exception is None or (isinstance(result.exception, SystemExit) and not result.exit_code):
        return None
    if isinstance(result.exception, UserError):
        return result.exception
    raise result.exception


def fit(place: Path, *more: object) -> UserError | None:
    return run("fit", place / "demo-av/manifest.yaml", *OPTIONS, "--out", place / "runs", *more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a finished run (seed 0), a stopped one (seed 1) and a copy to restore from."""
    place = tmp_path_factory.mktemp("fuzz") / "place"
    succeed("make", "demo-av", "--limit", 120, "--out", place, "--workers", 1)
    assert fit(place) is None
    assert run("eval", place / "runs/run/seed0", "--scenarios", "C") is None
    with stopped_in(epoch=1):
        fit(place, "--seeds", 1)
    soundfile.write(place / "clip.wav", default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    shutil.copytree(place, place.with_name("whole"))
    return place


def commands(place: Path) -> dict[str, tuple[object, ...]]:
    seed0, manifest = place / "runs/run/seed0", place / "demo-av/manifest.yaml"
    return {
        "resume": ("fit", manifest, *OPTIONS, "--out", place / "runs", "--seeds", "1"),
        "again": ("fit", manifest, *OPTIONS, "--out", place / "runs"),
        "eval": ("eval", seed0, "--scenarios", "C"),
        "report": ("report", place / "runs"),
        "predict": ("predict", seed0, "--audio", place / "clip.wav", "--json"),
    }


def numbers(place: Path) -> Numbers:
    """Return weights, scores and tables, without times."""
    found: dict[str, object] = {}
    for path in (place / "runs").rglob("model.safetensors"):
        found[str(path)] = {name: value.tolist() for name, value in load_file(path).items()}
    for path in (place / "runs").rglob("eval/*.json"):
        with suppress(ValueError):  # the damaged one, where the command did not read it
            found[str(path)] = {key: value for key, value in json.loads(path.read_text()).items() if key != "digest"}
    if (place / "runs/report.csv").exists():
        found["report"] = (place / "runs/report.csv").read_text()
    return found


def restore(place: Path) -> None:
    shutil.rmtree(place)
    shutil.copytree(place.with_name("whole"), place)


@pytest.fixture(scope="module")
def expected(place: Path) -> dict[str, Numbers]:
    """The numbers after each command on whole files, and those that predict prints."""
    found = {}
    for name, words in commands(place).items():
        restore(place)
        printed: list[str] = []
        assert run(*words, printed=printed) is None, name
        found[name] = numbers(place) | ({"printed": printed} if name == "predict" else {})
    return found


def files_of(place: Path, command: str) -> list[Path]:
    """Return the files that a command may read."""
    seed = "seed1" if command == "resume" else "seed0"
    folders = [place / "runs/run" / seed, *([place / "runs/features"] if command in ("resume", "eval") else [])]
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in found if not any(part in str(path) for part in UNREAD)]


@pytest.mark.parametrize("seed", range(2))
def test_one_damaged_file_and_one_command(place: Path, expected: dict[str, Numbers], seed: int) -> None:
    names = list(expected)
    for number in range(max(1, CASES // 4)):
        restore(place)
        rng = default_rng([seed, number])
        command = names[rng.integers(len(names))]
        files = files_of(place, command)
        path = files[rng.integers(len(files))]
        kind, data = damaged(path.read_bytes(), rng)
        path.write_bytes(data)
        printed: list[str] = []
        with no_hang():
            error = run(*commands(place)[command], printed=printed)
        case = f"{command}, {kind}, {path.relative_to(place)} (seed {seed}, {number}): {error}"
        if error is not None:
            assert "features" not in path.parts, case
            assert path.name in str(error), case
            continue
        assert printed == expected[command].get("printed", printed), case
        got = numbers(place) if path.name != "model.safetensors" or command == "resume" else expected[command]
        for key, value in expected[command].items():
            if key not in (str(path), "printed"):  # what the command did not read is still damaged
                assert got[key] == value, case
