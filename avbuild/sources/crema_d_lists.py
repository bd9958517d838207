"""Published train and test lists of CREMA-D: those of OGM-GE, of MLA, or others in the same format.

A list is a text file (UTF-8) with one clip per line, such as `1001_DFA_ANG_XX,ANG`: the name, with or without .wav or
.flv, and optionally the code of its emotion, separated by comma, tab or spaces.  A first line that does not start with
a digit is a header; empty lines are ignored.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from avbuild.errors import UsageError, listed
from avbuild.sources.corpus import Corpus, Problem
from avbuild.sources.crema_d_names import EMOTIONS, NAME
from avbuild.sources.files import visible
from avbuild.sources.names import printable
from avbuild.text_files import read_text

SUFFIXES = (".csv", ".txt")
ListedSplit = Literal["train", "test"]
LISTED_SPLITS: tuple[ListedSplit, ...] = ("train", "test")


@dataclass(frozen=True, slots=True)
class Lists:
    """The split of each clip of a publication, and the files that it was read from."""

    splits: dict[str, ListedSplit]
    files: dict[ListedSplit, Path]


def read_lists(folder: Path) -> Lists:
    """Read the only .csv or .txt file with `train` in its name, and the only one with `test`.

    Args:
        folder: that holds both.

    Raises UsageError that names every line that is not a clip, and every clip that is listed twice.
    """
    files = {split: _file(folder, split) for split in LISTED_SPLITS}
    splits: dict[str, ListedSplit] = {}
    problems = []
    for split, path in files.items():
        for number, line in enumerate(read_text(path, "list").splitlines(), start=1):
            name, *label = re.split(r"[,\s]+", line.strip())
            name = name.removesuffix(".wav").removesuffix(".flv")
            clip = NAME.fullmatch(name)
            if not line.strip() or (number == 1 and _is_header(line.strip())):
                continue
            if not clip or (label and label != [clip[3]]):
                problems.append(f"{path}: line {number}: {line.strip()!r} is not a clip with its own emotion")
            elif name in splits:
                problems.append(f"{path}: line {number}: {name} is already listed, in {splits[name]}")
            else:
                splits[name] = split
    problems += [f"{path}: lists no clip" for split, path in files.items() if split not in splits.values()]
    if problems:
        raise UsageError(f"{len(problems)} problems; write lines like  1001_DFA_ANG_XX,ANG\n{listed(problems)}")
    return Lists(splits, files)


def _is_header(line: str) -> bool:
    """Whether a first line names columns; one that holds the code of an emotion is a clip with a damaged name."""
    return not line[0].isdigit() and not any(f"_{emotion}_" in line for emotion in EMOTIONS)


def _file(folder: Path, split: ListedSplit) -> Path:
    files = visible(folder)
    found = [path for path in files if split in path.stem.lower() and path.suffix.lower() in SUFFIXES]
    if len(found) == 1:
        return found[0]
    names = ", ".join(printable(path.name) for path in found or files[:8]) or "nothing"
    raise UsageError(
        f"--lists {folder}: needs one file with {split} in its name, such as {split}.csv or {split}.txt; found {names}"
    )


def follow(lists: Lists, audio: Corpus) -> Corpus:
    """Keep the clips that are listed, each with its split; clips that are listed but missing become problems.

    Args:
        lists: published splits.
        audio: corpus of all clips.
    """
    clips = tuple(replace(clip, split=lists.splits[clip.id]) for clip in audio.items if clip.id in lists.splits)
    unlisted = tuple(Problem(c.media.name, "in neither list") for c in audio.items if c.id not in lists.splits)
    known = {clip.id for clip in audio.items} | {Path(problem.path).stem for problem in audio.problems}
    missing = [
        Problem(str(lists.files[split]), f"lists {name}, which is not there")
        for name, split in lists.splits.items()
        if name not in known
    ]
    return replace(audio, items=clips, problems=(*audio.problems, *missing), unwanted=unlisted)
