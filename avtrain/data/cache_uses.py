"""The record of who used what in the cache: a line for each use in CACHE/uses.jsonl, appended by any process."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avbuild.dataset.storage import partial_name, write_whole

FILE = "uses.jsonl"


@dataclass(frozen=True)
class CacheUser:
    """A process that uses the cache for a run.

    Attributes:
        folder: of the cache.
        run: folder of the run.
    """

    folder: Path
    run: Path

    def note(self, entry: str) -> None:
        """Record that the run uses an entry now.  entry: its name, as `avtrain cache list` shows it."""
        line = json.dumps({"entry": entry, "run": str(self.run.absolute()), "time": round(time.time())}) + "\n"
        with suppress(OSError), (self.folder / FILE).open("a") as file:  # a cache for reading only has no record
            file.write(line)  # short lines that are appended do not mix


@dataclass(frozen=True)
class CacheUse:
    """The uses of one entry.

    Attributes:
        time: of the last one, in seconds since 1970.
        runs: that used it, each once.
    """

    time: float
    runs: tuple[Path, ...]


def read_uses(folder: Path) -> dict[str, CacheUse]:
    """Return the uses of each entry of a cache; lines that a killed process cut are left out."""
    found: dict[str, CacheUse] = {}
    for line in _lines(folder):
        with suppress(ValueError, KeyError, TypeError):
            use = json.loads(line)
            entry, run, when = str(use["entry"]), Path(use["run"]), float(use["time"])
            before = found.get(entry, CacheUse(0.0, ()))
            found[entry] = CacheUse(max(before.time, when), tuple(dict.fromkeys((*before.runs, run))))
    return found


def keep_uses(folder: Path, entries: Sequence[str]) -> None:
    """Rewrite the record with one line for each run and entry that is still there.  entries: their names."""
    uses = read_uses(folder)
    lines = [_line(entry, run, uses[entry]) for entry in entries if entry in uses for run in uses[entry].runs]
    if (folder / FILE).exists():
        write_whole(folder / FILE, "".join(lines), partial_name(FILE, os.getpid()))


def _line(entry: str, run: Path, use: CacheUse) -> str:
    content: Mapping[str, object] = {"entry": entry, "run": str(run), "time": round(use.time)}
    return json.dumps(content) + "\n"


def _lines(folder: Path) -> list[str]:
    path = folder / FILE
    return path.read_text(errors="replace").splitlines() if path.exists() else []
