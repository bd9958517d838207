"""Runs below a folder, told from other folders that have a config.yaml, such as those of Weights & Biases."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from avbuild.errors import UsageError, UserError, listed
from avtrain.runs.folder import Run

OWN_FILES = ("env.json", "metrics.jsonl", "result.json", "model.safetensors", "state.pt")
OF_TRACKERS = ("wandb", "tensorboard")  # folders inside a run


def find_runs(places: list[Path]) -> list[Run]:
    """Find the runs at or below some folders.

    Args:
        places: runs, or folders of runs.

    Returns:
        The runs of each place in order of path, none twice.

    Raises:
        UserError: a place holds no run.
    """
    runs: dict[Path, Run] = {}
    for place in places:
        found = sorted(_run_folders(place))
        if not found:
            raise UserError(f"{place}: no run here; avtrain fit makes runs, each a folder with a config.yaml")
        for folder in found:
            runs.setdefault(folder.resolve(), Run(folder))
    return list(runs.values())


def find_run(place: Path) -> Run:
    """Return the one run at or below a folder.

    Args:
        place: the folder.

    Raises:
        UsageError: there are several runs.
        UserError: there is no run.
    """
    found = find_runs([place])
    if len(found) > 1:
        raise UsageError(f"{place}: holds {len(found)} runs; name one of them\n{listed(found)}")
    return found[0]


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run's, finished or not, damaged or not."""
    config = folder / "config.yaml"
    if not config.is_file():
        return False
    if any((folder / name).exists() for name in OWN_FILES):
        return True
    data = config.read_bytes()
    return all(re.search(rb"^" + key + rb":", data, re.MULTILINE) for key in (b"fit", b"manifest"))


def _run_folders(place: Path) -> Iterator[Path]:
    """Yield the runs at or below a folder; folders that are symbolic links are entered, each real folder once."""
    seen: set[Path] = set()
    for name, folders, _ in os.walk(place, followlinks=True):
        folder = Path(name)
        real = folder.resolve()
        if real in seen:  # links in a circle
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each not in OF_TRACKERS)
        if is_run(folder):
            yield folder
