"""The entries of a cache: their size, what they hold, who used them last; and their removal."""

import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbuild.dataset.storage import remove_abandoned, writing
from avtrain.data.cache_uses import keep_uses, read_uses
from avtrain.runs.folder import Run

NAME = re.compile(r"[0-9a-f]{32}")
ROWS = "rows"  # folder of the copies of rows
ROW_FILE = re.compile(r"([0-9a-f]{32})\.(files\.arrow|rows\.arrow|json)")
UNSIGNED_AFTER = 86_400.0  # seconds after which a nameless leftover of version 0.1 cannot belong to a running process


@dataclass(frozen=True)
class CacheEntry:
    """Tokens of one backbone, data set, scenario and draw, or a copy of the rows of a split.

    Attributes:
        name: in the cache; `rows/...` for a copy of rows.
        paths: its files or its folder.
        size: bytes.
        about: what it was made of, as it was written with it; empty for entries of earlier versions.
        last_used: seconds since 1970; for entries of earlier versions when it was written.
        runs: that used it and are still there.
        whole: whether it was written to its end.
    """

    name: str
    paths: tuple[Path, ...]
    size: int
    about: Mapping[str, Any]
    last_used: float
    runs: tuple[Path, ...]
    whole: bool

    @property
    def unfinished_runs(self) -> tuple[Path, ...]:
        """Return the runs that would have to compute it again when they are continued."""
        return tuple(run for run in self.runs if not Run(run).finished)


def tidy(cache: Path | None) -> list[Path]:
    """Remove what killed processes left in a cache, and return it.  cache: its folder; None: there is none."""
    if cache is None:
        return []
    return [path for folder in (cache, cache / ROWS) for path in remove_abandoned(folder, UNSIGNED_AFTER)]


def entries(cache: Path) -> list[CacheEntry]:
    """Return what a cache holds, largest first; other files in its folder are left out."""
    uses = read_uses(cache)
    found: dict[str, list[Path]] = {
        path.name: [path] for path in sorted(cache.iterdir()) if NAME.fullmatch(path.name) and path.is_dir()
    }
    for path in sorted((cache / ROWS).iterdir()) if (cache / ROWS).is_dir() else ():
        if match := ROW_FILE.fullmatch(path.name):
            found.setdefault(f"{ROWS}/{match[1]}", []).append(path)
    result = []
    for name, paths in found.items():
        files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)) if file.is_file()]
        record = paths[0] / "done.json" if paths[0].is_dir() else cache / f"{name}.json"
        written = max((file.stat().st_mtime for file in files), default=0.0)
        use = uses.get(name)
        result.append(
            CacheEntry(
                name=name,
                paths=tuple(paths),
                size=sum(file.stat().st_size for file in files),
                about=_about(record),
                last_used=use.time if use else written,
                runs=tuple(run for run in use.runs if Run(run).begun) if use else (),
                whole=record.exists(),
            )
        )
    return sorted(result, key=lambda entry: -entry.size)


def unused_since(found: Sequence[CacheEntry], seconds: float) -> list[CacheEntry]:
    """Return the entries that were not used for some seconds."""
    return [entry for entry in found if time.time() - entry.last_used >= seconds]


def remove(cache: Path, removed: Sequence[CacheEntry]) -> None:
    """Remove entries from a cache; runs that need one compute it again.  Raises UserError where that fails."""
    for entry in removed:
        for path in entry.paths:
            with writing(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    keep_uses(cache, [entry.name for entry in entries(cache)])


def _about(record: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError):  # an entry that is damaged or not finished says nothing of itself
        about = json.loads(record.read_bytes()).get("about", {})
        return about if isinstance(about, dict) else {}
    return {}
