"""How the `avbuild` program ends after an error."""

import os
import subprocess
from pathlib import Path

from tests.support.commands import AVBUILD


def test_errors_go_to_stderr_with_their_exit_code(tmp_path: Path) -> None:
    done = subprocess.run([*AVBUILD, "verify", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_names_in_errors_hold_no_escape_sequences() -> None:
    done = subprocess.run([*AVBUILD, "verify", "no\x1b[31m"], capture_output=True, text=True, check=False)
    assert "no\\u001b[31m/build.json: missing" in done.stderr


def test_listings_and_help_work_without_docstrings() -> None:
    for command in (["scenarios"], ["list"], ["--help"], ["make", "--help"], ["corrupt", "--help"]):
        environment = {**os.environ, "PYTHONOPTIMIZE": "2", "COLUMNS": "200"}
        done = subprocess.run([*AVBUILD, *command], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
