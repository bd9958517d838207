"""Measure speed and peak memory of `avbuild make` and `avbuild corrupt`, and the time of `--help`, as whole processes.

    python benchmarks/building.py --audio-root UrbanSound8K/ --images folder:cifar10/ [--folds 1,2]

Prints a Markdown table. Peak memory is that of the process with the highest peak.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = "import sys; from {package}.cli import main; sys.argv[0] = '{package}'; main()"
MEASURE = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
MEASURE += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def command(package: str, *arguments: object) -> list[str]:
    """Return the command line that runs avbuild or avtrain with this interpreter."""
    return [sys.executable, "-c", PROGRAM.format(package=package), *map(str, arguments)]


def measured(*line: str) -> tuple[float, float]:
    """Run a command; return its seconds, and the peak memory in MB of the process with the highest peak."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURE, *line], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    unit = 1e6 if sys.platform == "darwin" else 1e3  # macOS reports bytes, Linux KiB
    return seconds, float(done.stdout) / unit


def main() -> None:
    """Measure every command for each number of pairs and workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio-root", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--folds")
    parser.add_argument("--pairs", default="500,5000")
    parser.add_argument("--workers", default="1,2")
    options = parser.parse_args()
    sources = ["--audio-root", options.audio_root, "--images", options.images]
    sources += ["--folds", options.folds] if options.folds else []

    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| command | pairs | workers | seconds | pairs / s | peak memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for workers in options.workers.split(","):
        for pairs in options.pairs.split(","):
            measure_building(sources, int(pairs), workers)
    for package in ("avbuild", "avtrain"):
        seconds = min(measured(*command(package, "--help"))[0] for _ in range(5))
        print(f"| {package} --help | | | {seconds:.2f} | | |")


def measure_building(sources: list[str], pairs: int, workers: str) -> None:
    """Build a data set of so many pairs in a temporary folder, corrupt it, and print a line for each command."""
    with tempfile.TemporaryDirectory() as folder:
        make = ["make", "cifar10-av", *sources, "--limit", pairs, "--out", folder, "--workers", workers]
        print_row("make cifar10-av", workers, pairs, *measured(*command("avbuild", *make)))
        data, splits = f"{folder}/cifar10-av", "train,validation,test"
        corrupt = ["corrupt", "--scenario", "D", "--data", data, "--splits", splits, "--workers", workers]
        print_row("corrupt --scenario D", workers, count_pairs(data), *measured(*command("avbuild", *corrupt)))


def print_row(what: str, workers: str, pairs: int, seconds: float, megabytes: float) -> None:
    """Print one line of the table."""
    print(f"| {what} | {pairs:,} | {workers} | {seconds:.1f} | {pairs / seconds:.0f} | {megabytes:.0f} |", flush=True)


def count_pairs(data: str) -> int:
    """Return the number of pairs in a data set."""
    clean = json.loads((Path(data) / "build.json").read_text())["scenarios"]["C"]["splits"]
    return sum(int(split["rows"]) for split in clean.values())


if __name__ == "__main__":
    main()
