"""docs/python.md and the public Python API: every example runs, the names are there, and importing them is fast."""

import doctest
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import avbuild
import avtrain
from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.conftest import REPOSITORY
from tests.support.commands import succeed
from tests.test_docs import shown

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
FUNCTIONS = {"avbuild.corrupt", "avbuild.load", "avtrain.Dataset", "avtrain.evaluate", "avtrain.load"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has run `make demo`, on a small scale; do not change it."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(REPOSITORY / "manifests", folder / "manifests")
    succeed("make", "demo-av", "--out", folder / "demo", "--limit", 100, "--workers", 1)
    succeed("corrupt", "--scenario", "D", "--data", folder / "demo" / "demo-av", "--workers", 1)
    fit = ("fit", folder / "manifests" / "demo.yaml", "--backbone", "tiny", "--epochs", 1, "--out", folder / "runs")
    avtrain_(*fit, *SMALL)
    rng = np.random.default_rng(0)
    soundfile.write(folder / "bark.wav", rng.uniform(-0.5, 0.5, (6400, 2)), 22_050)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / "dog.jpg")
    return folder


@pytest.fixture
def reader(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder as the current one."""
    folder = Path(shutil.copytree(demo, tmp_path / "reader"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return folder


def test_the_examples_of_the_page_run(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 10
    (export,) = re.findall(r"`avtrain (export runs\S+ --out \S+)`", PAGE)
    avtrain_(*export.split())
    names: dict[str, object] = {}
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    for block in blocks:
        if file := re.match(r"# (\w+\.py)\n", block):
            (reader / file[1]).write_text(block)
        else:
            exec(compile(block, str(REPOSITORY / "docs" / "python.md"), "exec"), names)
    printed = [avtrain_(*arguments) for _, *arguments in shown(REPOSITORY / "docs" / "python.md")]
    assert "colours (outside model" in " ".join(printed[-1].split())
    assert (reader / "runs" / "report.html").exists()
    assert names["probabilities"].shape == (2, 10)  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "my_models")
    outputs = names["outputs"]
    assert isinstance(outputs, list)
    assert [output.missing for output in outputs] == [("image",), ("audio",)]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_examples_of_a_docstring_run(name: str, reader: Path) -> None:
    package, _, attribute = name.partition(".")
    function = getattr(importlib.import_module(package), attribute)
    examples = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert sum(len(found.examples) for found in examples) >= 2, f"{name} shows no example"
    runner = doctest.DocTestRunner()
    for found in examples:
        runner.run(found)
    assert runner.summarize().failed == 0


def test_the_public_names_are_those_of_the_page() -> None:
    public = {
        f"{package.__name__}.{name}"
        for package in (avbuild, avtrain)
        for name in package.__all__
        if inspect.isroutine(value := getattr(package, name))
        or (inspect.isclass(value) and not issubclass(value, Exception))
    }
    assert public == FUNCTIONS == set(re.findall(r"^\| \[`([\w.]+)`\]", PAGE, flags=re.MULTILINE))
    for package in (avbuild, avtrain):
        assert set(package.__all__) <= set(dir(package))
        assert package.__version__ == avbuild.__version__
        with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
            package.nothing  # noqa: B018


def test_importing_the_packages_loads_nothing_heavy() -> None:
    code = (
        "import sys, avbuild, avtrain; "
        "heavy = {'torch', 'datasets', 'pyarrow', 'scipy', 'numpy', 'pydantic'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_signal_is_corrupted_without_torch() -> None:
    code = (
        "import sys, numpy as np, avbuild; sys.modules['torch'] = None; "
        "avbuild.corrupt(np.zeros((40, 40, 3), np.uint8), 'rain', severity=1, id='a')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", ["avbuild", "avtrain"])
def test_a_package_is_a_program_that_states_its_version(package: str) -> None:
    command = [sys.executable, "-m", package, "--version"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert shown == f"avbuild and avtrain {avbuild.__version__}\n"
