"""--help of both programs: fast, and every example readable."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from avbuild.cli import app as avbuild
from avtrain.cli import app as avtrain

PROGRAMS = {"avbuild": avbuild, "avtrain": avtrain}


def commands() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every command of both programs: program, words of the command, the text of its help."""
    for program, app in PROGRAMS.items():
        pending = [((), typer.main.get_command(app))]
        while pending:
            words, command = pending.pop()
            yield program, words, str(command.help)
            pending += [((*words, name), sub) for name, sub in getattr(command, "commands", {}).items()]


COMMANDS = [pytest.param(*found, id=" ".join((found[0], *found[1]))) for found in commands()]


@pytest.mark.parametrize(("program", "words", "text"), COMMANDS)
def test_every_example_stands_on_a_line_of_its_own(program: str, words: tuple[str, ...], text: str) -> None:
    examples = [line.strip() for line in text.splitlines() if line.startswith("    ") and line.strip()]
    assert examples
    assert all(example.startswith(program) for example in examples)
    result = CliRunner().invoke(PROGRAMS[program], [*words, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    shown = [line.strip() for line in result.stdout.splitlines()]
    assert [example for example in examples if example not in shown] == []


@pytest.mark.parametrize("command", ["make", "corrupt"])
def test_help_shows_job_share_without_its_old_name(command: str) -> None:
    shown = CliRunner().invoke(avbuild, [command, "--help"], env={"COLUMNS": "160"}).stdout
    assert "--job-share" in shown
    assert "--shard" not in shown


@pytest.mark.parametrize(
    ("program", "command", "panels"),
    [
        ("avtrain", "fit", {"Model and training", "Data", "Folder of the run", "Machine and cache"}),
        ("avtrain", "eval", {"Conditions", "A model of your own", "Test-time adaptation", "Data", "Machine and cache"}),
        (
            "avbuild",
            "make",
            {
                "Sources",
                "Splits and content",
                "Your own files (avbuild make folder)",
                "Your own table (avbuild make NAME --table FILE)",
                "Output and work",
            },
        ),
        ("avbuild", "corrupt", {"Scenarios", "Data", "Output and work"}),
    ],
)
def test_the_options_of_long_commands_are_in_groups(program: str, command: str, panels: set[str]) -> None:
    shown = CliRunner().invoke(PROGRAMS[program], [command, "--help"], env={"COLUMNS": "80"}).stdout
    found = re.findall(r"─ (.+?) ─", shown)
    assert set(found) - {"Arguments", "Options"} == panels
    general = shown.split("─ Options ─")[1].split("╰")[0]
    assert re.findall(r"│ (?:\*  )? *(--[\w-]+)", general) == ["--plugin", "--help"]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(program: str, shell: str) -> None:
    assert "--install-completion" in CliRunner().invoke(PROGRAMS[program], ["--help"]).stdout
    variable = f"_{program.upper()}_COMPLETE"
    typed = {"_TYPER_COMPLETE_ARGS": f"{program} ", "COMP_WORDS": f"{program} ", "COMP_CWORD": "1"}
    asked = {variable: f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args", **typed}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = ['{program}']; from {program}.cli import main; main()"],
        check=False, capture_output=True, text=True, env={**os.environ, **asked},
    )  # fmt: skip
    assert {"avbuild": "corrupt", "avtrain": "predict"}[program] in done.stdout, done.stderr


def test_help_comes_without_loading_torch() -> None:
    for package in ("avtrain", "avbuild"):
        code = (
            f"import sys; from {package}.cli import app; "
            "heavy = {'torch', 'datasets', 'pyarrow', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules); "
            "sys.exit(f'loaded {heavy}' if heavy else 0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
