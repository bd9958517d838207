"""Worker processes end with their parent, and are missed where something ends them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avbuild.errors import UserError
from avbuild.pipeline.workers import run_in_processes
from tests.support.commands import AVBUILD


def end_by_kernel(job: int) -> int:
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return job


def listen() -> None:
    """Let a child hear Ctrl-C and SIGHUP also where the tests run in the background or under nohup."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def write_and_wait(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_a_worker_that_is_killed_is_one_clear_error() -> None:
    with pytest.raises(UserError, match=r"ended from outside, most likely for lack of memory.*fewer --workers than 2"):
        list(run_in_processes(end_by_kernel, range(6), 2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "from tests.avbuild.pipeline.test_workers import *\n"
        "from avbuild.command_line import run_program\n"
        f"jobs = [{str(tmp_path / 'a')!r}, {str(tmp_path / 'b')!r}]\n"
        "run_program(lambda: list(run_in_processes(write_and_wait, jobs, 2)), 'start it again')\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, preexec_fn=listen)  # noqa: PLW1509  # no threads here
    deadline = time.monotonic() + 60
    while len([p for p in tmp_path.iterdir() if p.read_text()]) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [int(path.read_text()) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    parent.send_signal(number)
    _, errors = parent.communicate(timeout=30)
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    if number is not signal.SIGKILL:
        assert errors == "stopped; start it again\n"
        assert parent.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_says_so_in_one_line(tmp_path: Path, number: signal.Signals) -> None:
    command = [*AVBUILD, "make", "demo-av", "--limit", "600", "--out", str(tmp_path), "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, preexec_fn=listen)  # noqa: PLW1509  # no threads here
    while not list(tmp_path.rglob("*.parquet")):
        time.sleep(0.1)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert (out, errors) == ("", "stopped; run the same command again to finish\n")
    assert process.returncode == 128 + number
