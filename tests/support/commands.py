"""The `avbuild` command as tests call it, in this process."""

import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from typer.testing import CliRunner, Result

from avbuild.cli import app
from avbuild.errors import UserError

AVBUILD = [sys.executable, "-c", "from avbuild.cli import main; main()"]


def avbuild(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def succeed(*arguments: object) -> str:
    """What it prints; fails where the command does."""
    result = avbuild(*arguments)
    assert result.exception is None or result.exit_code == 0, result.exception
    return result.stdout


def fail(*arguments: object) -> str:
    """The one clear error it ends with."""
    result = avbuild(*arguments)
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder: Path, scenario: str, split: str = "test") -> list[dict[str, Any]]:
    """The rows of a scenario on disk."""
    return [
        row for file in sorted(folder.glob(f"{scenario}/{split}-*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
