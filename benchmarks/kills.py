"""Kill make, corrupt and fit at random moments, start them again, and compare with an undisturbed run.

    python benchmarks/kills.py --kills 20

Each command is started, killed after a random part of its usual time by SIGKILL, SIGTERM, SIGHUP or SIGINT in turn,
and started again.  A kill is survived where the folder is then that of an undisturbed run, byte for byte, with nothing
left behind, and where no process of the killed command lived on.
"""

import argparse
import hashlib
import os
import random
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
GRACE = 10.0  # seconds that workers have to end after their parent
MARK = "AVBUILD_KILL_MARK"  # in the environment of a command and so of its workers
VARYING = ("env.json", "metrics.jsonl", "result.json", "tracking.json", "tensorboard/")  # hold times or the machine


@dataclass
class Tally:
    """What was seen of one command."""

    name: str
    kills: int = 0
    early: int = 0  # ended before the kill
    survived: int = 0
    tracebacks: int = 0
    orphans: int = 0
    leftovers: int = 0
    different: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=15, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        tallies = [trial(Path(folder), name, arguments.kills, arguments.seed) for name in COMMANDS]
    print("| command | kills | ended before | survived | tracebacks | orphans | left behind |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for t in tallies:
        print(f"| {t.name} | {t.kills} | {t.early} | {t.survived} | {t.tracebacks} | {t.orphans} | {t.leftovers} |")
    for t in tallies:
        for difference in t.different:
            print(f"{t.name}: {difference}")
    sys.exit(any(t.survived < t.kills for t in tallies))


def program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", f"from {name}.cli import main; main()", *arguments]


def make(place: Path) -> list[str]:
    return program("avbuild", "make", "demo-av", "--out", str(place), "--limit", "300", "--workers", "2")


def corrupt(place: Path) -> list[str]:
    splits = ["--splits", "train,validation,test", "--workers", "2"]
    return program("avbuild", "corrupt", "--scenario", "A,D", "--data", str(place / "demo-av"), *splits)


def fit(place: Path) -> list[str]:
    options = ["--backbone", "tiny", "--epochs", "4", "--method", "linear-probe", "--set", "draws=2"]
    return program("avtrain", "fit", str(place / "demo-av/manifest.yaml"), *options, "--out", str(place / "runs"))


COMMANDS = {"make": (make, ()), "corrupt": (corrupt, (make,)), "fit": (fit, (make,))}


def trial(folder: Path, name: str, kills: int, seed: int) -> Tally:
    """Kill one command again and again, each time in a fresh copy of what it starts from."""
    command, before = COMMANDS[name]
    start = folder / f"{name}-start"
    start.mkdir()
    for step in before:
        subprocess.run(step(start), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    whole = folder / "place"  # always this path: runs note where their data lie
    shutil.copytree(start, whole)
    begun = time.monotonic()
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
    usual, expected = time.monotonic() - begun, dict(contents(whole))
    rng, tally = random.Random(seed), Tally(name)
    for number in range(kills):
        shutil.rmtree(whole)
        shutil.copytree(start, whole)
        tally.kills += 1
        after = rng.uniform(0.05, 0.98) * usual
        clean = one_kill(command(whole), SIGNALS[number % len(SIGNALS)], after, folder / "errors.txt", tally)
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
    """Start a command and kill it alone, as a scheduler or the kernel would; return whether it went without a trace."""
    mark = uuid.uuid4().hex
    with log.open("w") as errors:  # not a pipe, which orphans would keep open
        process = subprocess.Popen(command, stdout=errors, stderr=errors, env={**os.environ, MARK: mark})
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


def living(mark: str) -> list[int]:
    """Processes whose environment holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Files below a folder with their hashes; of those that hold times only the names."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "tensorboard/" not in name:
            varies = any(part in name for part in VARYING)
            yield name, "" if varies else hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
