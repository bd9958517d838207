"""ESC-50: 2,000 clips of 5 s in fifty classes and five folds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.corpus import Corpus, Credit, LocalFile, Problem, SourceItem
from avbuild.sources.files import file_problem, visible
from avbuild.sources.tables import BadRow, Row, Unique, file_name, number, parse_rows, some
from avbuild.sources.whole_folds import advice_on_folds

FOLDERS = ("ESC-50-master", "ESC-50")  # as GitHub's archive and its repository are called
TABLE = Path("meta") / "esc50.csv"
COLUMNS = frozenset({"filename", "fold", "target", "category", "src_file"})
NAME = re.compile(r"([0-9]+)-([0-9]+)-[A-Z]+-([0-9]+)")  # fold, recording, take, target
CREDIT = Credit(
    name="ESC-50",
    licence="CC BY-NC 3.0",
    homepage="https://github.com/karolpiczak/ESC-50",
    citation="K. J. Piczak: ESC: Dataset for Environmental Sound Classification, ACM MM 2015",
)
NOTE = "ESC-50's clips are band-limited in ways that depend on the class, which leaks labels a little."


@dataclass(frozen=True, slots=True)
class Clip:
    """One line of esc50.csv."""

    file: str
    recording: str
    fold: int
    target: int
    label: str


def is_esc50(root: Path) -> bool:
    """Whether a folder has ESC-50's layout, or is the one around it."""
    return _tree(root) is not None


def _tree(root: Path) -> Path | None:
    return next((folder for folder in (root, *map(root.joinpath, FOLDERS)) if (folder / TABLE).is_file()), None)


def read_esc50(root: Path, folds: Sequence[int] | None = None) -> Corpus:
    """Read `audio/*.wav` and `meta/esc50.csv`; the recording of a clip is its `src_file`.

    Args:
        root: folder of the corpus, or the one around it.
        folds: to read; None: all.

    Raises UserError where the table is not ESC-50's, or lists no clip of these folds.
    """
    root = _tree(root) or root
    rows = read_table(root / TABLE)
    clips, problems, missing = [], [], []
    for row in rows:
        path = root / "audio" / row.file
        if folds is not None and row.fold not in folds:
            continue
        if problem := file_problem(path):
            problems.append(problem)
            missing.append(row.fold)
        else:
            clips.append(SourceItem("audio", path.stem, row.label, LocalFile(str(path)), row.recording, row.fold))
    if not clips and not problems:
        raise UserError(f"{root / TABLE}: lists no clip of fold {', '.join(map(str, folds or ()))}; folds are 1 to 5")
    problems += _unlisted(root / "audio", {row.file for row in rows})
    classes = {row.target: row.label for row in rows}
    names = tuple(classes[target] for target in sorted(classes))
    advice = advice_on_folds((clip.fold for clip in clips), missing)
    return Corpus("audio", CREDIT, names, tuple(clips), tuple(problems), (NOTE,), advice=advice)


def read_table(path: Path) -> list[Clip]:
    """Read esc50.csv.

    Args:
        path: of the file.

    Raises UserError where a column is missing, or that names all rows which contradict themselves or each other.
    """
    names = Unique("the name")
    labels: dict[int, str] = {}
    targets: dict[str, int] = {}

    def parse(row: Row) -> Clip:
        clip = _parse(row)
        label, target = labels.setdefault(clip.target, clip.label), targets.setdefault(clip.label, clip.target)
        if (label, target) != (clip.label, clip.target):
            raise BadRow(f"target {clip.target} is {clip.label!r} here, but a row above has {target} as {label!r}")
        names.add(Path(clip.file).stem)
        return clip

    return parse_rows(path, _wrong_columns, parse)


def _wrong_columns(found: tuple[str, ...]) -> str | None:
    if set(found) >= COLUMNS and len(set(found)) == len(found):
        return None
    return f"columns are {some(found)}; needs {', '.join(sorted(COLUMNS))}, each once"


def _parse(row: Row) -> Clip:
    file, recording, label = file_name(row, "filename"), row["src_file"], row["category"]
    fold, target = number(row, "fold", 1, 5), number(row, "target", 0, 49)
    for column in ("src_file", "category"):
        if not row[column].strip() or not row[column].isprintable():
            raise BadRow(f"{column} is {row[column][:40]!r}; expected a name")
    named = NAME.fullmatch(Path(file).stem)
    if named and (int(named[1]), named[2], int(named[3])) != (fold, recording, target):
        raise BadRow(
            f"{file} is of fold {named[1]}, recording {named[2]}, target {named[3]}, but the row says "
            f"{fold}, {recording}, {target}"
        )
    return Clip(file, recording, fold, target, label)


def _unlisted(audio: Path, names: set[str]) -> list[Problem]:
    """Return a problem for each file that the table does not list."""
    return [Problem(str(path), "not in esc50.csv") for path in visible(audio) if path.name not in names]
