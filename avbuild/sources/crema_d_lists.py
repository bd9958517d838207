"""Published train and test lists of CREMA-D: those of OGM-GE, of MLA, or any written like them.

A list is a text file (UTF-8) with a clip a line, `1001_DFA_ANG_XX,ANG`: its name, with or without .wav or .flv, then
the code of its emotion, which may be left out.  Comma, tab or spaces part them.  A first line that does not start with
a digit is a header; empty lines are passed over.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from avbuild.errors import UsageError, listed
from avbuild.sources.corpus import Corpus, Problem
from avbuild.sources.crema_d_names import NAME

SUFFIXES = (".csv", ".txt")
ListedSplit = Literal["train", "test"]
LISTED_SPLITS: tuple[ListedSplit, ...] = ("train", "test")


@dataclass(frozen=True, slots=True)
class Lists:
    """Which clips a publication trained on and which it tested on."""

    homes: dict[str, ListedSplit]
    files: dict[ListedSplit, Path]


def read_lists(folder: Path) -> Lists:
    """The one file with `train` in its name and the one with `test`, .csv or .txt.

    Raises UsageError that names every line that is no clip, and every clip that is listed twice.
    """
    files = {split: _file(folder, split) for split in LISTED_SPLITS}
    homes: dict[str, ListedSplit] = {}
    problems = []
    for split, path in files.items():
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            name, *label = re.split(r"[,\s]+", line.strip())
            name = name.removesuffix(".wav").removesuffix(".flv")
            clip = NAME.fullmatch(name)
            if not line.strip() or (number == 1 and not line.strip()[0].isdigit()):
                continue
            if not clip or (label and label != [clip[3]]):
                problems.append(f"{path}: line {number}: {line.strip()!r} is no clip with its own emotion")
            elif name in homes:
                problems.append(f"{path}: line {number}: {name} is listed already, to {homes[name]}")
            else:
                homes[name] = split
    problems += [f"{path}: lists no clip" for split, path in files.items() if split not in homes.values()]
    if problems:
        raise UsageError(f"{len(problems)} problems; a line is like  1001_DFA_ANG_XX,ANG\n{listed(problems)}")
    return Lists(homes, files)


def _file(folder: Path, split: ListedSplit) -> Path:
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in there if split in path.stem.lower() and path.suffix.lower() in SUFFIXES]
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found or there[:8]) or "nothing"
    raise UsageError(
        f"--lists {folder}: needs one file with {split} in its name, such as {split}.csv or {split}.txt; found {names}"
    )


def follow(lists: Lists, audio: Corpus) -> Corpus:
    """The clips that are listed, each with its split; what is listed but not there is a problem."""
    clips = tuple(replace(clip, split=lists.homes[clip.id]) for clip in audio.items if clip.id in lists.homes)
    unlisted = tuple(Problem(c.media.name, "in neither list") for c in audio.items if c.id not in lists.homes)
    known = {clip.id for clip in audio.items} | {Path(problem.path).stem for problem in audio.problems}
    lost = [
        Problem(str(lists.files[split]), f"lists {name}, which is not there")
        for name, split in lists.homes.items()
        if name not in known
    ]
    return replace(audio, items=clips, problems=(*audio.problems, *lost), unwanted=unlisted)
