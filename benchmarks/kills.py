"""Kill make, corrupt and fit at random moments, start them again, and compare with an undisturbed run.

    python benchmarks/kills.py --kills 20

Each command is started, killed after a random fraction of its usual time by SIGKILL, SIGTERM, SIGHUP or SIGINT in
turn, and started again. A kill counts as survived if the folder then equals that of an undisturbed run byte for byte,
no temporary file is left, and no process of the killed command is still running.
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
GRACE = 10.0  # seconds that workers may take to end after their parent
MARK = "AVBUILD_KILL_MARK"  # in the environment of a command and so of its workers
# these contain times or the machine; of the rows copied for training, the times of the shards
VARYING = ("env.json", "metrics.jsonl", "result.json", "tracking.json", "tensorboard/", "uses.jsonl")
STAMPS = re.compile(r"features/rows/[0-9a-f]+\.json$")


@dataclass
class Tally:
    """Counts of kills of one command, and the differences that they left."""

    name: str
    kills: int = 0
    early: int = 0  # more attempts, in which the command had ended before the kill
    survived: int = 0
    tracebacks: int = 0
    orphans: int = 0
    leftovers: int = 0
    different: list[str] = field(default_factory=list)


def main() -> None:
    """Kill every command, print a table, and exit with 1 if a kill was not survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=15, help="number of kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default=",".join(COMMANDS), help="make, corrupt, fit, or some of them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        tallies = [trial(Path(folder), name, arguments.kills, arguments.seed) for name in arguments.commands.split(",")]
    print("| command | kills | ended before | survived | tracebacks | orphans | left behind |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for t in tallies:
        print(f"| {t.name} | {t.kills} | {t.early} | {t.survived} | {t.tracebacks} | {t.orphans} | {t.leftovers} |")
    for t in tallies:
        for difference in t.different:
            print(f"{t.name}: {difference}")
    sys.exit(any(t.survived < t.kills for t in tallies))


def program(name: str, *arguments: str) -> list[str]:
    """Return the command line that runs avbuild or avtrain with this interpreter."""
    return [sys.executable, "-c", f"from {name}.cli import main; main()", *arguments]


def make(place: Path) -> list[str]:
    """Return the command that builds a data set below a folder."""
    return program("avbuild", "make", "demo-av", "--out", str(place), "--limit", "300", "--workers", "2")


def corrupt(place: Path) -> list[str]:
    """Return the command that corrupts this data set."""
    splits = ["--splits", "train,validation,test", "--workers", "2"]
    return program("avbuild", "corrupt", "--scenario", "A,D", "--data", str(place / "demo-av"), *splits)


def fit(place: Path) -> list[str]:
    """Return the command that trains on this data set."""
    options = ["--backbone", "tiny", "--epochs", "4", "--method", "linear-probe", "--set", "draws=2"]
    return program("avtrain", "fit", str(place / "demo-av/manifest.yaml"), *options, "--out", str(place / "runs"))


# name: the command, and the commands that must have run before it
COMMANDS = {"make": (make, ()), "corrupt": (corrupt, (make,)), "fit": (fit, (make,))}


def trial(folder: Path, name: str, kills: int, seed: int) -> Tally:
    """Kill one command several times, each time in a fresh copy of the folder that it starts from."""
    command, before = COMMANDS[name]
    start = folder / f"{name}-start"
    start.mkdir()
    for step in before:
        subprocess.run(step(start), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    whole = folder / "place"  # always the same path, because runs record the path of their data
    shutil.copytree(start, whole)
    begun = time.monotonic()
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
    usual, expected = time.monotonic() - begun, dict(contents(whole))
    rng, tally = random.Random(seed), Tally(name)
    while tally.kills < kills:
        shutil.rmtree(whole)
        shutil.copytree(start, whole)
        number, early = tally.kills, tally.early
        after = rng.uniform(0.05, 0.98) * usual
        clean = one_kill(command(whole), SIGNALS[number % len(SIGNALS)], after, folder / "errors.txt", tally)
        if tally.early > early:  # it was quicker than the undisturbed one, as on a machine with other work
            usual *= 0.85
            continue
        tally.kills += 1
        again = subprocess.run(command(whole), capture_output=True, text=True, check=False)
        tally.tracebacks += "Traceback" in again.stderr
        found = dict(contents(whole))
        left = [path for path in found if ".partial" in path or path.endswith("state.pt")]
        wrong = [path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)]
        tally.leftovers += bool(left)
        if again.returncode or wrong:
            tally.different.append(f"kill {number}: exit {again.returncode}, {', '.join(sorted(wrong)[:5])}")
        elif clean and not left:
            tally.survived += 1
    shutil.rmtree(whole)
    return tally


def one_kill(command: Sequence[str], number: signal.Signals, after: float, log: Path, tally: Tally) -> bool:
    """Start a command and kill only its main process; return whether it left no traceback and no process."""
    mark = uuid.uuid4().hex
    with log.open("w") as errors:  # not a pipe, which remaining workers would keep open
        environment = {**os.environ, MARK: mark}
        process = subprocess.Popen(command, stdout=errors, stderr=errors, env=environment, preexec_fn=listen)  # noqa: PLW1509
        try:
            process.wait(after)
            tally.early += 1
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.wait()
    traceback = "Traceback" in log.read_text()
    tally.tracebacks += traceback
    deadline = time.monotonic() + GRACE
    while living(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    orphans = living(mark)
    tally.orphans += bool(orphans)
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)
    return not traceback and not orphans


def listen() -> None:
    """Let a command hear Ctrl-C and SIGHUP also where this program runs in the background or under nohup."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def living(mark: str) -> list[int]:
    """Return the ids of the processes whose environment contains the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # the process has ended, or belongs to another user
                continue
    return found


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and hash of each file below a folder; the hash of a file that contains times is empty."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "tensorboard/" not in name:
            varies = any(part in name for part in VARYING) or STAMPS.search(name)
            yield name, "" if varies else hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
