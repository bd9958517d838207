"""Recognise how a folder of media is laid out: class folders, or split folders above them; refuse what is doubtful."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.dataset.splits import SPLITS, Split
from avbuild.errors import UserError
from avbuild.sources.corpus import Problem
from avbuild.sources.label_map import same_name
from avbuild.sources.names import normal, printable
from avbuild.sources.walk import files_in, folders_in, walk

SPLIT_OF: Mapping[str, Split] = {  # name of a folder, in small letters -> split
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
ALLOWED = (
    "allowed: CLASS/FILE, or train/CLASS/FILE and test/CLASS/FILE with or without validation/CLASS/FILE "
    "(also named val, valid or dev)"
)
MOST_LINES = 8  # of a tree


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """The places of the class folders of one modality."""

    root: Path
    places: Mapping[Split | None, Path]  # split -> folder of class folders; None: the root, which has no splits

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that have a folder of their own; none where the classes are at the top."""
        return tuple(split for split in SPLITS if split in self.places)


def recognise(root: Path, suffixes: frozenset[str], nouns: str) -> tuple[FolderLayout, tuple[Problem, ...]]:
    """Return the layout of a folder, and the files beside its split folders that cannot be used.

    Args:
        root: folder of class folders, or of split folders that hold class folders.
        suffixes: of the media that are wanted.
        nouns: what they are called, for errors: "audio clips".

    Raises UserError that shows the folder as it was understood, where splits and classes stand side by side, media
    stand beside the folders, two folders are the same split or class, or splits stand below classes.
    """
    if not root.is_dir():
        raise UserError(f"{printable(str(root))}: no such folder")
    folders = folders_in(root)
    named = [folder for folder in folders if folder.name.lower() in SPLIT_OF]
    splits = [folder for folder in named if folders_in(folder)]
    others = [folder for folder in folders if folder not in splits]
    if not splits and 0 < len(named) == len(folders):
        raise _doubtful(root, suffixes, nouns, f"{_names(named)} would be splits, but hold no class folders")
    if not splits and len({SPLIT_OF[folder.name.lower()] for folder in named}) > 1:
        raise _doubtful(root, suffixes, nouns, f"{_names(named)} would be splits, but other folders stand beside them")
    beside, problems = _beside(splits, others, suffixes)
    if beside:
        what = f"{_names(splits)} hold folders, as splits do, but {_names(beside)} beside them would be classes"
        raise _doubtful(root, suffixes, nouns, what)
    places: dict[Split | None, Path] = {}
    for folder in splits:
        split = SPLIT_OF[folder.name.lower()]
        if split in places:
            both = f"{_names([places[split], folder])} would both be the {split} split"
            raise _doubtful(root, suffixes, nouns, both)
        places[split] = folder
    if not splits:
        places[None] = root
    for place in dict.fromkeys((root, *places.values())):
        if loose := [path for path in files_in(place) if path.suffix.lower() in suffixes]:
            what = f"{nouns} in no class folder: {len(loose):,}, such as {printable(loose[0].name)}"
            raise _doubtful(root, suffixes, nouns, what)
    _check_classes(root, tuple(places.values()), suffixes, nouns)
    return FolderLayout(root, places), tuple(problems)


def refuse_splits(root: Path, suffixes: frozenset[str], nouns: str, instead: str) -> None:
    """Refuse split folders where only class folders are read.

    Args:
        root: folder of class folders.
        suffixes: of the media that are counted.
        nouns: what they are called.
        instead: what to do, for the error.

    Raises UserError that shows the folder as it was understood, where two folders have the names of splits, or where
    one has and holds folders, as a split does.
    """
    named = [folder for folder in folders_in(root) if folder.name.lower() in SPLIT_OF]
    if len(named) > 1 or any(folders_in(folder) for folder in named):
        what = f"{_names(named)} {'are splits' if len(named) > 1 else 'is a split'}, not classes. {instead}"
        raise UserError(f"{printable(str(root))}: {what}\n{tree(root, suffixes, nouns)}")


def _beside(
    splits: Sequence[Path], others: Sequence[Path], suffixes: frozenset[str]
) -> tuple[list[Path], list[Problem]]:
    """Return the folders with media beside split folders, and the problems of the files in the others."""
    beside, problems = [], []
    for folder in others if splits else ():
        files, wrong = walk(folder, set())
        if any(path.suffix.lower() in suffixes for path in files):
            beside.append(folder)
        problems += [*wrong, *(Problem(str(path), "beside the split folders") for path in files)]
    return beside, problems


def _check_classes(root: Path, places: Sequence[Path], suffixes: frozenset[str], nouns: str) -> None:
    """Refuse splits below classes, and classes whose names differ only in how they are written."""
    written: dict[str, str] = {}
    for folder in (folder for place in places for folder in folders_in(place)):
        below = [inner for inner in folders_in(folder) if inner.name.lower() in SPLIT_OF]
        if len({SPLIT_OF[inner.name.lower()] for inner in below}) > 1:
            what = f"{printable(folder.name)}/ holds {_names(below)}; splits stand above the classes"
            raise _doubtful(root, suffixes, nouns, what)
        other = written.setdefault(same_name(folder.name), folder.name)
        if normal(other) != normal(folder.name):  # an accent may be written in two ways
            what = f"{printable(other)}/ and {printable(folder.name)}/ would be two classes of one name"
            raise _doubtful(root, suffixes, nouns, what)


def _names(folders: Sequence[Path], most: int = 4) -> str:
    shown = " and ".join(f"{printable(folder.name)}/" for folder in folders[:most])
    return shown + (f" and {len(folders) - most:,} more" if len(folders) > most else "")


def _doubtful(root: Path, suffixes: frozenset[str], nouns: str, what: str) -> UserError:
    return UserError(f"{printable(str(root))}: {what}\n{tree(root, suffixes, nouns)}\n{ALLOWED}")


def tree(root: Path, suffixes: frozenset[str], nouns: str) -> str:
    """Return the folder as it was understood, in a few lines.

    Args:
        root: the folder.
        suffixes: of the media that are counted.
        nouns: what they are called.
    """
    folders = folders_in(root)
    lines = [f"understood as follows ({printable(root.name)}/):"]
    for folder in folders[:MOST_LINES]:
        inner = folders_in(folder)
        split = SPLIT_OF.get(folder.name.lower())
        role = f"{split} split" if split and inner else "class"
        files = sum(path.suffix.lower() in suffixes for path in walk(folder, set())[0])
        inside = f"{len(inner):,} folders, " if inner else ""
        lines.append(f"  {printable(folder.name) + '/':<24} {role:<18} {inside}{files:,} {nouns}")
    if len(folders) > MOST_LINES:
        lines.append(f"  ... and {len(folders) - MOST_LINES:,} more folders")
    loose = Counter(path.suffix.lower() in suffixes for path in files_in(root))
    lines.append(f"  beside them: {loose[True]:,} {nouns}, {loose[False]:,} other files")
    return "\n".join(lines)
