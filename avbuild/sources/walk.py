"""Class folders and the files below them: links are followed, and all that is passed over has its reason."""

import os
import re
from collections import Counter
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.corpus import Problem
from avbuild.sources.files import contents, file_problem, visible
from avbuild.sources.names import is_utf8, is_visible, normal, printable

NOT_UTF8 = "its name is not UTF-8"
PARTS = frozenset(  # folders of a corpus that has a table; two of them are not two classes
    {"meta", "metadata", "audio", "sound", "vision", "image", "images", "video", "videos"}
    | {"audiowav", "videoflash", "dataset_v3_sound", "dataset_v3_vision", "audio_dataset", "image_dataset"}
)
FOLD = re.compile(r"fold[-_ ]?[0-9]+")


def class_folders(root: Path, suffixes: frozenset[str]) -> tuple[dict[str, list[Path]], list[Problem]]:
    """Return the folders of each class, and problems of what is beside them.

    Two folders whose names differ only in how an accent is written are one class.

    Args:
        root: folder of class folders.
        suffixes: of media; other files beside the class folders are no concern of the data set.

    Raises UserError where there are no class folders, or parts of a corpus in their place.
    """
    shown = printable(str(root))
    if not root.is_dir():
        raise UserError(f"{shown}: no such folder")
    _refuse_corpus(root)
    classes: dict[str, list[Path]] = {}
    problems = []
    for path in visible(root):
        if not os.path.isdir(path):
            if path.suffix.lower() in suffixes:
                problems.append(file_problem(path) or Problem(str(path), "in no class folder"))
        elif is_utf8(path.name):
            classes.setdefault(normal(path.name), []).append(path)
        else:
            problems.append(Problem(str(path), NOT_UTF8))
    if not classes:
        raise UserError(f"{shown}: no class folders here, only {contents(root)}; expected {shown}/CLASS/FILE")
    return dict(sorted(classes.items())), problems


def folders_in(root: Path) -> list[Path]:
    """Return the folders in a folder, in order, but for hidden ones."""
    return [path for path in visible(root) if os.path.isdir(path)]


def files_in(root: Path) -> list[Path]:
    """Return everything in a folder that is no folder, in order, but for hidden files; links that lead nowhere too."""
    return [path for path in visible(root) if not os.path.isdir(path)]  # pathlib's raises where a link is too long


def _refuse_corpus(root: Path) -> None:
    """Refuse folders that are the parts or folds of a corpus, and a single folder around the class folders."""
    folders = folders_in(root)
    for place in (root, *folders):
        names = {path.name.lower() for path in folders_in(place)}
        parts = names & PARTS
        if len(parts) < 2:
            parts = {name for name in names if FOLD.fullmatch(name)}
        if len(parts) > 1:
            raise UserError(
                f"{printable(str(place))}: {_named(parts)} are parts of a corpus, not classes. UrbanSound8K needs "
                "metadata/UrbanSound8K.csv, ESC-50 needs meta/esc50.csv; else give the folder of class folders itself"
            )
    if (
        len(folders) == 1
        and len(folders_in(folders[0])) > 1
        and len(folders_in(folders[0])) == len(visible(folders[0]))
    ):
        raise UserError(
            f"{printable(str(root))}: holds one folder of folders, {printable(folders[0].name)}, which would be the "
            f"only class; if its folders are the classes, give {printable(str(folders[0]))}"
        )


def _named(names: set[str]) -> str:
    return " and ".join(f"{name}/" for name in sorted(names)[:6])


def walk(folder: Path, seen: set[str]) -> tuple[list[Path], list[Problem]]:
    """Return all files below a folder in order, and the problem of each folder and name that cannot be used.

    Args:
        folder: to read; links to folders are followed.
        seen: real paths of the folders that have been read, which is added to; none is read twice.
    """
    files, problems, waiting = [], [], [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if here.is_symlink() and Path(os.path.realpath(here.parent)).is_relative_to(real):
            problems.append(Problem(str(here), "a link to a folder around it"))
            continue
        if real in seen:
            problems.append(Problem(str(here), "a link to a folder that is read already"))
            continue
        seen.add(real)
        try:
            names = sorted(filter(is_visible, os.listdir(here)))
        except OSError as error:
            problems.append(Problem(str(here), f"unreadable: {error.strerror or error}"))
            continue
        problems += [Problem(str(here / name), NOT_UTF8) for name in names if not is_utf8(name)]
        paths = [here / name for name in names if is_utf8(name)]
        files += [path for path in paths if not os.path.isdir(path)]
        waiting += [path for path in reversed(paths) if os.path.isdir(path)]
    return sorted(files), problems


def unique_ids(root: Path, files: list[Path]) -> tuple[dict[str, Path], list[Problem]]:
    """Return files by id: the path below root without suffix, or with it where two files would have the same id.

    Args:
        root: folder that holds them.
        files: to name.

    Returns the files by id, and the problems of files whose names differ only in how an accent is written.
    """
    below = [path.relative_to(root) for path in files]
    whole = [normal(path.as_posix()) for path in below]
    chosen = [normal(path.with_suffix("").as_posix()) for path in below]
    while True:
        counts = Counter(chosen)
        clashing = [index for index, id in enumerate(chosen) if counts[id] > 1 and id != whole[index]]
        if not clashing:
            break
        for index in clashing:
            chosen[index] = whole[index]
    named: dict[str, Path] = {}
    problems = []
    for id, path in zip(chosen, files, strict=True):
        if id in named:
            problems.append(Problem(str(path), "has the name of another file, but for how an accent is written"))
        else:
            named[id] = path
    return named, problems
