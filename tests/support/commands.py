"""Run the `avbuild` command in this process, and read what it wrote."""

import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from typer.testing import CliRunner, Result

from avbuild.cli import app
from avbuild.errors import UserError

AVBUILD = [sys.executable, "-c", "from avbuild.cli import main; main()"]


def avbuild(*arguments: object) -> Result:
    """Run a command and return its result."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def succeed(*arguments: object) -> str:
    """Run a command and return what it prints; fail if it does."""
    result = avbuild(*arguments)
    assert result.exception is None or result.exit_code == 0, result.exception
    return result.stdout


def fail(*arguments: object) -> str:
    """Run a command that must end with a UserError, and return its message."""
    result = avbuild(*arguments)
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder: Path, scenario: str, split: str = "test") -> list[dict[str, Any]]:
    """Return the rows of a scenario on disk."""
    return [
        row for file in sorted(folder.glob(f"{scenario}/{split}-*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
