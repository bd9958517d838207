"""--help of both programs: fast, and every example readable."""

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
    result = CliRunner().invoke(PROGRAMS[program], [*words, "--help"], env={"COLUMNS": "160", "TERMINAL_WIDTH": "160"})
    shown = [line.strip() for line in result.stdout.splitlines()]
    assert [example for example in examples if example not in shown] == []


@pytest.mark.parametrize("command", ["make", "corrupt"])
def test_help_shows_job_share_without_its_old_name(command: str) -> None:
    shown = CliRunner().invoke(avbuild, [command, "--help"], env={"COLUMNS": "160"}).stdout
    assert "--job-share" in shown
    assert "--shard" not in shown


def test_help_comes_without_loading_torch() -> None:
    for package in ("avtrain", "avbuild"):
        code = (
            f"import sys; from {package}.cli import app; "
            "heavy = {'torch', 'datasets', 'pyarrow', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules); "
            "sys.exit(f'loaded {heavy}' if heavy else 0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
