"""Lists of Kinetics-Sounds: a line a clip, as OGM-GE publishes them, or CSV with a header as Kinetics itself does.

A line of OGM-GE is `ytid_start_end,nframes,class`; `ytid_start_end,class` is read too.  A header is
`label,youtube_id,time_start,time_end,...`, the columns of Kinetics' own tables, in any order.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from avbuild.errors import UsageError
from avbuild.sources.corpus import Problem
from avbuild.sources.files import contents, visible
from avbuild.text_files import read_text

SUFFIXES = (".csv", ".txt")
NAME = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{1,6})_([0-9]{1,6})")
HEADER = frozenset({"label", "youtube_id", "time_start", "time_end"})
TRAIN_TEST: tuple[Literal["train", "test"], ...] = ("train", "test")


@dataclass(frozen=True, slots=True)
class ListedClip:
    """One clip of a list."""

    name: str  # ytid_000010_000020, which is the stem of its file
    video: str  # id of the video on YouTube
    label: str
    place: str  # of its line, for problems
    split: Literal["train", "test"] | None = None


def read_clips(path: Path, follow: bool) -> tuple[list[ListedClip], list[Problem]]:
    """Read a list, or the train list and the test list in a folder.

    Args:
        path: of the file or folder.
        follow: whether the lists are the splits, so that both are needed.

    Returns every clip once, and a problem for each line that is none or lists a clip again.

    Raises UsageError where there is no list, or follow asks for two and there is one.
    """
    if path.is_dir():
        lists = [(split, _only_file(path, split)) for split in TRAIN_TEST]
        read = [replace_split(entry, split) for split, file in lists for entry in _entries(file)]
    elif follow:
        raise UsageError(f"--split published: --list {path} is one file; give the folder of a train and a test list")
    else:
        read = list(_entries(path))
    found: dict[str, ListedClip] = {}
    problems = []
    for entry in read:
        if isinstance(entry, Problem):
            problems.append(entry)
        elif other := found.get(entry.name):
            problems.append(Problem(entry.place, f"listed twice: {entry.name} is also in {other.place}"))
        else:
            found[entry.name] = entry
    if not found and not problems:
        raise UsageError(f"--list {path}: lists no clip")
    return list(found.values()), problems


def replace_split(entry: ListedClip | Problem, split: Literal["train", "test"]) -> ListedClip | Problem:
    """Return a clip with its split; a problem as it is."""
    return entry if isinstance(entry, Problem) else replace(entry, split=split)


def _only_file(folder: Path, split: str) -> Path:
    files = [path for path in visible(folder) if split in path.stem.lower() and path.suffix.lower() in SUFFIXES]
    if len(files) != 1:
        raise UsageError(
            f"--list {folder}: needs one file with {split} in its name, such as {split}.txt; found {contents(folder)}"
        )
    return files[0]


def _entries(path: Path) -> Iterator[ListedClip | Problem]:
    reader = csv.reader(io.StringIO(read_text(path, "list"), newline=""), skipinitialspace=True)
    header: Sequence[str] = ()
    try:
        for cells in reader:
            place = f"{path} line {reader.line_num}"
            if not any(cells):
                continue
            if not header and set(cells) >= HEADER:
                header = cells
                continue
            yield _clip(dict(zip(header, cells, strict=False)) if header else {}, cells, place)
    except csv.Error as error:
        yield Problem(f"{path} line {reader.line_num}", f"not CSV: {error}")


def _clip(named: dict[str, str], cells: Sequence[str], place: str) -> ListedClip | Problem:
    """Return the clip of a line, by its header's columns or by their order."""
    name, label = (cells[0].strip(), cells[-1].strip()) if len(cells) in (2, 3) else ("", "")
    if named:
        start, end = named.get("time_start", ""), named.get("time_end", "")
        if start.isdecimal() and end.isdecimal():
            name = f"{named.get('youtube_id', '')}_{int(start):06d}_{int(end):06d}"
        label = named.get("label", "").strip()
    found = NAME.fullmatch(name)
    if found is None or not label or not label.isprintable():
        expected = "ytid_start_end,nframes,class, or the columns of Kinetics under a header"
        return Problem(place, f"not a clip: {','.join(cells)[:80]!r}; expected {expected}")
    return ListedClip(f"{found[1]}_{int(found[2]):06d}_{int(found[3]):06d}", found[1], label, place)
