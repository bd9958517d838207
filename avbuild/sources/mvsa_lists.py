"""Labels of MVSA-Single, and the lists of its published split, which are those of QMF."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from avbuild.dataset.splits import Split
from avbuild.errors import UsageError, UserError
from avbuild.sources.corpus import Problem
from avbuild.sources.published import LIST_SPLITS, json_lines
from avbuild.text_files import read_text

LABELS = ("negative", "neutral", "positive")
LINE = re.compile(rf"([0-9]{{1,9}})\t({'|'.join(LABELS)}),({'|'.join(LABELS)})")
HEADER = "ID\ttext,image"


@dataclass(frozen=True, slots=True)
class PublishedLists:
    """The published split of each post that is listed."""

    splits: dict[str, Split] = field(default_factory=dict)
    faults: tuple[Problem, ...] = ()


def read_labels(path: Path) -> tuple[dict[str, tuple[str, str]], list[Problem]]:
    """Read labelResultAll.txt.

    Returns id -> labels of text and image, and a problem for each line that is none.

    Raises UserError where the first line is not the published header.
    """
    first, *lines = read_text(path, "table").splitlines() or [""]
    if first.strip() != HEADER:
        raise UserError(f"{path}: its first line is {first[:60]!r}; expected {HEADER!r}")
    labels: dict[str, tuple[str, str]] = {}
    problems = []
    for number, line in enumerate(lines, start=2):
        found = LINE.fullmatch(line.strip())
        if not line.strip():
            continue
        if found is None:
            expected = r"expected ID\tTEXT,IMAGE of positive, neutral and negative"
            problems.append(Problem(f"{path} line {number}", f"no labels: {line[:60]!r}; {expected}"))
        elif found[1] in labels:
            problems.append(Problem(f"{path} line {number}", f"duplicate id: {found[1]}"))
        else:
            labels[found[1]] = (found[2], found[3])
    return labels, problems


def combined(pair: tuple[str, str], rule: Literal["equal", "polar"]) -> str | None:
    """Return the label of a post, or None where it has none.

    Args:
        pair: labels of its text and of its image.
        rule: equal: both must agree. polar: as equal, but neutral gives way to positive or negative.
    """
    polar = sorted(set(pair) - {"neutral"})
    if rule == "equal":
        return pair[0] if pair[0] == pair[1] else None
    return "neutral" if not polar else polar[0] if len(polar) == 1 else None


def published_splits(root: Path, labels: dict[str, str], wanted: bool) -> PublishedLists:
    """Read train.jsonl, dev.jsonl and test.jsonl where they are in the corpus's folder.

    Args:
        root: that folder.
        labels: id -> label of the posts that can be used.
        wanted: whether the data set follows them; what contradicts the labels then is a fault.

    Raises UsageError where they are wanted and one is not there.
    """
    files = {root / f"{name}.jsonl": split for name, split in LIST_SPLITS.items()}
    if lacking := [path.name for path in files if not path.is_file()]:
        if wanted:
            raise UsageError(
                f"--split published: {root} has no {' and no '.join(lacking)}; get the lists of MVSA-Single from "
                "https://github.com/QingyangZhang/QMF and put them there"
            )
        return PublishedLists()
    splits: dict[str, Split] = {}
    faults = []
    for path, split in files.items():
        for place, entry in json_lines(path, ("id", "label")):
            if isinstance(entry, Problem):
                faults.append(entry)
                continue
            id, label = str(entry["id"]), str(entry["label"])
            if id in splits:
                faults.append(Problem(place, f"listed twice: {id} is already in the {splits[id]} list"))
            elif labels.get(id, label) != label:
                faults.append(Problem(place, f"another label: {id} is {label} here, {labels[id]} in the table"))
            else:
                splits[id] = split
    return PublishedLists(splits, tuple(faults) if wanted else ())
