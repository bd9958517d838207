"""Plug-in files: what can be wrong with one, and each error says where."""

import os
from pathlib import Path

import pytest

from avbuild.plugins.files import VARIABLE, named_files
from avbuild.plugins.registry import defined, plugins_loaded
from tests.support.commands import fail, succeed
from tests.support.plugin_files import DOUBTFUL, DROPOUTS, write_plugin

WRONG = {
    "raises": ("import numpy\n\nraise KeyError('weights')\n", r"ops\.py cannot be loaded: line 3: KeyError"),
    "absent module": ("\nimport no_such_module\n", r"my_ops\.py cannot be loaded: line 2: ModuleNotFoundError"),
    "syntax": ("def f(:\n", r"my_ops\.py cannot be loaded: line 1: SyntaxError"),
    "exits": ("import sys\nsys.exit(3)\n", r"my_ops\.py cannot be loaded: line 2: SystemExit"),
    "nothing": ("value = 1\n", r"my_ops\.py defines nothing: it needs a function with @audio_corruption"),
    "imported only": ("from avbuild.corruptions.audio.noise import gaussian_noise\n", "defines nothing"),
    "shipped name": (DROPOUTS.replace("dropouts", "gaussian_noise"), "audio gaussian_noise has the name of one that"),
    "twice": (DROPOUTS + DROPOUTS.replace("def dropouts", "def other").replace("0.5)", "0.5)").replace(
        "(version=1", "(version=2, name='dropouts'"), "corruption audio dropouts is defined twice"),
    "no rng": (DROPOUTS.replace(", rng)", ")"), "line 5: ValueError: .* needs the parameter rng"),
    "four severities": (DROPOUTS.replace("0.1, 0.2", "0.2"), "line 5: ValueError: .* needs five severities of rate"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_one_error_with_its_line(what: str, tmp_path: Path) -> None:
    code, expected = WRONG[what]
    path = write_plugin(tmp_path, code)
    message = fail("scenarios", "--plugin", path)
    assert pytest.raises(AssertionError, match=expected).matches(AssertionError(message)), message
    assert str(path) in message


def test_a_file_that_is_absent_or_no_python_is_refused(tmp_path: Path) -> None:
    assert "no such file" in fail("scenarios", "--plugin", tmp_path / "none.py")
    (tmp_path / "ops.txt").write_text(DROPOUTS)
    assert "not a Python file" in fail("scenarios", "--plugin", tmp_path / "ops.txt")
    (tmp_path / "folder.py").mkdir()
    assert "cannot be read: Is a directory" in fail("scenarios", "--plugin", tmp_path / "folder.py")


def test_two_files_with_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    one = write_plugin(tmp_path / "one")
    other = write_plugin(tmp_path / "other", DROPOUTS.replace("version=1", "version=2"))
    message = fail("scenarios", "--plugin", one, "--plugin", other)
    assert f"corruption audio dropouts: two plug-ins define it, {one} and {other}" in message


def test_the_environment_variable_names_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write_plugin(tmp_path)
    other = write_plugin(tmp_path, DROPOUTS.replace("dropouts", "gaps"), "gaps.py")
    monkeypatch.setenv(VARIABLE, f"{one}{os.pathsep}{other}")
    monkeypatch.setenv("COLUMNS", "250")
    printed = succeed("scenarios")
    assert "(plug-in: my_ops.py)" in printed
    assert "(plug-in: gaps.py)" in printed


def test_a_file_is_loaded_for_one_command_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    before = os.environ.get(VARIABLE)
    assert "dropouts" in succeed("scenarios", "--plugin", write_plugin(tmp_path))
    assert os.environ.get(VARIABLE) == before
    assert "dropouts" not in succeed("scenarios")


def test_one_file_defines_things_of_several_kinds(tmp_path: Path) -> None:
    path = write_plugin(tmp_path, DROPOUTS + DOUBTFUL)
    with plugins_loaded([path]):
        assert named_files() == [path]
        assert list(defined("avbuild.corruptions")) == ["audio dropouts"]
        assert list(defined("avtrain.methods")) == ["doubtful"]
        assert not defined("avbuild.sources")
        (one, other) = (
            next(iter(defined(group).values())).source for group in ("avbuild.corruptions", "avtrain.methods")
        )
    assert one == other
