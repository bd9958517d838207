"""The wheel: built and installed into a clean environment, without a network, it works away from the repository."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import avbuild
from tests.conftest import REPOSITORY


def run(*command: object, cwd: Path = REPOSITORY) -> str:
    """Run a command without this process's PYTHONPATH, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "AVBUILD_PLUGINS")}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build_command(out: Path) -> list[object]:
    """Return the command that builds the wheel with what is here; skip where the build backend is not."""
    if importlib.util.find_spec("hatchling") and importlib.util.find_spec("pip"):
        offline = ["--no-deps", "--no-build-isolation", "--no-index"]
        return [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", out, REPOSITORY]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("no build backend: neither hatchling nor uv is installed here")
    command: list[object] = [uv, "build", "--wheel", "--offline", "--out-dir", out, REPOSITORY]
    tried = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if tried.returncode and "hatchling" in tried.stderr and "network was disabled" in tried.stderr:
        pytest.skip("no build backend: hatchling is neither installed nor in the cache of uv, and none is downloaded")
    return command


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, newly built."""
    out = tmp_path_factory.mktemp("wheel")
    run(*build_command(out))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of a clean environment that holds the wheel, and sees this one's dependencies."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    # a path in a .pth file comes after the environment's own packages, and no .pth file there is read: the editable
    # install of the repository stays unseen
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    return folder / "bin"


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    packages = [path for name in ("avbuild", "avtrain") for path in (REPOSITORY / name).rglob("*") if path.is_file()]
    expected = {path.relative_to(REPOSITORY).as_posix() for path in packages if "__pycache__" not in path.parts}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected
    assert {Path(name).suffix for name in names} >= {".yaml", ".html", ".typed"}  # label maps, pages, types


def test_a_clean_environment_makes_the_demo_and_shows_it(programs: Path, tmp_path: Path) -> None:
    where = run(programs / "python", "-c", "import avbuild; print(avbuild.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(programs.parent)
    assert avbuild.__version__ in run(programs / "avbuild", "--version", cwd=tmp_path)
    run(programs / "avbuild", "make", "demo-av", "--limit", 100, "--out", "demo/", "--workers", 1, cwd=tmp_path)
    assert json.loads((tmp_path / "demo" / "demo-av" / "build.json").read_text())["name"] == "demo-av"
    run(programs / "avbuild", "preview", "demo/demo-av", "--scenario", "D", "--samples", 1, cwd=tmp_path)
    assert "severity 5" in (tmp_path / "preview-demo-av-D.html").read_text()
    fit = ("fit", "demo/demo-av/manifest.yaml", "--backbone", "tiny", "--dry-run")
    planned = run(programs / "avtrain", *fit, cwd=tmp_path)
    assert "runs/demo-av-finetune-tiny" in planned
