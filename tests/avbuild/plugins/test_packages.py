"""Plug-in packages: the example is installed without a network, and used through the commands."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.avtrain.training.test_fit import SMALL
from tests.conftest import REPOSITORY
from tests.support.commands import AVBUILD

EXAMPLE = REPOSITORY / "examples" / "avbuild-crackle"
AVTRAIN = [sys.executable, "-m", "avtrain"]


def install(source: Path, target: Path) -> Path:
    """Do what pip does with a pure Python project: copy its package, and write its metadata.  Returns the folder."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    name = project["name"].replace("-", "_")
    shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    info = target / f"{name}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    (info / "RECORD").write_text("".join(f"{p.relative_to(target)},,\n" for p in target.rglob("*") if p.is_file()))
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(EXAMPLE, tmp_path_factory.mktemp("site"))


def run(command: list[str], *arguments: object, site: Path | None) -> subprocess.CompletedProcess[str]:
    paths = [str(REPOSITORY), *([str(site)] if site else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "400"}
    words = [*command, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)


def succeed(command: list[str], *arguments: object, site: Path | None) -> str:
    done = run(command, *arguments, site=site)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_corruption_of_a_package(site: Path, small_data: Path, tmp_path: Path) -> None:
    assert "avbuild-crackle==1.0)" in succeed(AVBUILD, "scenarios", site=site)
    data = tmp_path / small_data.name
    shutil.copytree(small_data, data)
    manifest = tmp_path / "crackle.yaml"
    manifest.write_text(
        f"manifest: 1\nname: crackle\ndataset: {data}\nscenarios: {{K: {{audio: {{chain: [crackle], severity: 3}}}}}}\n"
    )
    corrupt = ("corrupt", "--scenario", "K", "--manifest", manifest, "--data", data, "--splits", "train,test")
    succeed(AVBUILD, *corrupt, "--workers", 2, site=site)
    assert "every hash matches" in succeed(AVBUILD, "verify", data, site=site)
    assert "every hash matches" in succeed(AVBUILD, "verify", data, site=None)
    done = run(AVBUILD, *corrupt, site=None)
    assert done.returncode == 1
    assert "corruption crackle comes from a plug-in that is not loaded here: avbuild-crackle==1.0" in done.stderr
    assert "pip install avbuild-crackle==1.0" in done.stderr
    changed = install(EXAMPLE, tmp_path / "changed")
    (changed / "avbuild_crackle" / "__init__.py").write_text('"""Any other source of the package."""\n')
    done = run(AVBUILD, "verify", data, site=changed)
    assert "corruption crackle was that of avbuild-crackle==1.0" in done.stderr


def test_a_method_of_a_package(site: Path, small_data: Path, tmp_path: Path) -> None:
    fit = ("--method", "max-of-scores", "--backbone", "tiny", "--epochs", 1, "--device", "cpu", *SMALL)
    succeed(AVTRAIN, "fit", small_data / "manifest.yaml", *fit, "--out", tmp_path, "--name", "max", site=site)
    assert "avbuild-crackle==1.0" in (tmp_path / "max" / "seed0" / "config.yaml").read_text()
    done = run(AVTRAIN, "eval", tmp_path / "max", site=None)
    assert "method max-of-scores comes from a plug-in that is not loaded here: avbuild-crackle==1.0" in done.stderr
    succeed(AVTRAIN, "eval", tmp_path / "max", "--scenarios", "C", "--device", "cpu", site=site)


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    site = install(EXAMPLE, tmp_path / "site")
    (site / "avbuild_crackle" / "crackle.py").write_text("import no_such_module\n")
    done = run(AVBUILD, "scenarios", site=site)
    assert done.returncode == 1
    assert "avbuild-crackle==1.0 (entry point avbuild.corruptions: crackle = avbuild_crackle.crackle)" in done.stderr
    assert "crackle.py line 1: ModuleNotFoundError" in done.stderr
    (site / "avbuild_crackle" / "crackle.py").write_text("value = 1\n")
    assert "its entry point of avbuild.corruptions names no corruption" in run(AVBUILD, "scenarios", site=site).stderr
