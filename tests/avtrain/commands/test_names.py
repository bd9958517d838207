"""What people type and how their things are called: markup, control characters, home folders, odd digits."""

import subprocess
import sys
from pathlib import Path

import pytest

from avbuild.errors import UsageError
from avtrain.commands.options import expand, parse_seeds
from avtrain.report.markup import markdown_table
from avtrain.report.terminal import plain, without_controls
from tests.avtrain.training.test_fit import avtrain_
from tests.support.reports import score, write_runs


def test_names_with_markup_are_told_apart_on_screen_and_in_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"demo-mla [lr=0.{n}]|<b>/seed0" for n in (1, 2)]
    write_runs(tmp_path, [score("mla", "C", 0.5, run=name) for name in names])
    monkeypatch.setenv("COLUMNS", "200")
    printed = avtrain_("report", tmp_path)
    assert "[lr=0.1]" in printed
    assert "[lr=0.2]" in printed
    markdown = (tmp_path / "report.md").read_text()
    assert "[lr=0.1]\\|&lt;b>" in markdown


def test_control_characters_are_written_out() -> None:
    assert without_controls("a\x1b[31mb\u202e é 音") == "a\\x1b[31mb\\u202e é 音"
    assert plain("[bold]x[/]") == "\\[bold]x\\[/]"
    assert "| a\\|b | &lt;i> |" in markdown_table("#", ["x", "y"], [["a|b", "<i>"]], "")


@pytest.mark.parametrize("text", ["²", "1,²", "٣", "0,00", "9" * 19, "", "-1"])
def test_odd_seeds_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match="different whole numbers"):
        parse_seeds(text)


def test_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand(Path("~/x")) == tmp_path / "x"
    assert expand([Path("~"), Path("y")]) == [tmp_path, Path("y")]
    assert expand(None) is None
    with pytest.raises(UsageError, match="no-such-user"):
        expand(Path("~no-such-user/x"))


def test_methods_are_listed_without_docstrings() -> None:
    command = [sys.executable, "-OO", "-c", "from avtrain.cli import main; main()", "methods"]
    assert "linear-probe" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
