"""How the `avbuild` program ends after an error."""

import subprocess
from pathlib import Path

from tests.support.commands import AVBUILD


def test_errors_go_to_stderr_with_their_exit_code(tmp_path: Path) -> None:
    done = subprocess.run([*AVBUILD, "verify", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
