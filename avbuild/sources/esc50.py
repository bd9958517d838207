"""ESC-50: 2,000 clips of 5 s in fifty classes and five folds."""

import csv
from collections.abc import Sequence
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.corpus import Corpus, Credit, LocalFile, SourceItem
from avbuild.sources.files import file_problem

TABLE = Path("meta") / "esc50.csv"
CREDIT = Credit(
    name="ESC-50",
    licence="CC BY-NC 3.0",
    homepage="https://github.com/karolpiczak/ESC-50",
    citation="K. J. Piczak: ESC: Dataset for Environmental Sound Classification, ACM MM 2015",
)
NOTE = "ESC-50's clips are band-limited in ways that depend on the class, which leaks labels a little."


def is_esc50(root: Path) -> bool:
    """Whether a folder has ESC-50's layout."""
    return (root / TABLE).is_file()


def read_esc50(root: Path, folds: Sequence[int] | None = None) -> Corpus:
    """Read `audio/*.wav` and `meta/esc50.csv`; the recording of a clip is its `src_file`.

    Args:
        root: folder of the corpus.
        folds: to read; None: all.

    Raises UserError where the table is not ESC-50's.
    """
    with (root / TABLE).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    needed = {"filename", "fold", "target", "category", "src_file"}
    if not rows or not needed <= rows[0].keys():
        raise UserError(f"{root / TABLE}: needs rows with the columns {', '.join(sorted(needed))}")
    classes = {int(row["target"]): row["category"] for row in rows}
    clips, problems = [], []
    for row in rows:
        path = root / "audio" / row["filename"]
        if folds is not None and int(row["fold"]) not in folds:
            continue
        if problem := file_problem(path):
            problems.append(problem)
        else:
            media, group, fold = LocalFile(str(path)), row["src_file"], int(row["fold"])
            clips.append(SourceItem("audio", path.stem, row["category"], media, group, fold))
    names = tuple(classes[target] for target in sorted(classes))
    return Corpus("audio", CREDIT, names, tuple(clips), tuple(problems), (NOTE,))
