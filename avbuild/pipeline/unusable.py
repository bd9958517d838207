"""The error that names all files, or rows of a table, that cannot be used: one screen, and a list for a file."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from avbuild.errors import UserError, listed
from avbuild.sources.corpus import Problem

MOST_FILES = 10  # that an error lists, and as many folders, so that it fits on a screen
MOST_KINDS = 5
LEAVE_OUT = "Repair them, or leave them out with --skip-bad, which lists all of them in build.json."


class UnusableFiles(UserError):
    """Files or rows that cannot be used: the message fits on a screen, the list names all of them.

    Args:
        problems: all of them.
        advice: of the sources, such as the folds that are whole.
        unit: what has a problem: files, which are sorted by problem and folder; or rows of a table, by their line.
        remedy: the last sentence.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        advice: Sequence[str] = (),
        unit: Literal["files", "rows"] = "files",
        remedy: str = LEAVE_OUT,
    ) -> None:
        ordered = sorted(problems, key=_by_line if unit == "rows" else _by_problem)
        super().__init__(_report(ordered, [*advice, remedy], unit))
        self.shows_all = len(problems) <= (MOST_FILES if unit == "rows" else 2 * MOST_FILES)
        self.whole_list = "".join(f"{problem}\n" for problem in ordered)


def _report(problems: Sequence[Problem], advice: Sequence[str], unit: Literal["files", "rows"]) -> str:
    """Return the error for what cannot be used, which fits on a screen."""
    kinds = Counter(_kind(problem) for problem in problems)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(MOST_KINDS))
    plural = "" if len(problems) == 1 else "s"
    count = f"{len(problems):,} problem{plural}" if unit == "rows" else f"{len(problems):,} files cannot be used"
    many = unit == "files" and len(problems) > 2 * MOST_FILES
    shown = listed(problems, MOST_FILES if many or unit == "rows" else len(problems))
    folders = f"in these folders:\n{_by_folder(problems)}\n" if many else ""
    closing = [line if line.endswith(".") else f"{line}." for line in advice]
    return f"{count}:\n{shown}\n{folders}{count} ({summary}); nothing was written. " + " ".join(closing)


def _by_problem(problem: Problem) -> tuple[str, list[tuple[int, str]]]:
    return problem.what, _natural(problem.path)


def _by_line(problem: Problem) -> list[tuple[int, str]]:
    return _natural(problem.path)


def _kind(problem: Problem) -> str:
    return problem.what.split(":", 1)[0]


def _by_folder(problems: Sequence[Problem]) -> str:
    """Return the number of files of each kind in each folder."""
    counts = Counter((str(Path(problem.path).parent), _kind(problem)) for problem in problems)
    ordered = sorted(counts.items(), key=lambda entry: (_natural(entry[0][0]), entry[0][1]))
    return listed([f"{folder}: {count:,} {kind}" for (folder, kind), count in ordered], MOST_FILES)


def _natural(path: str) -> list[tuple[int, str]]:
    """Return a key that sorts fold2 before fold10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", path)]
