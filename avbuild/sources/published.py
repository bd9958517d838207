"""Find the folder of a corpus that its users get themselves, and read the parts that such corpora share."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbuild.dataset.splits import Split
from avbuild.errors import UserError
from avbuild.sources.corpus import Problem
from avbuild.sources.files import contents
from avbuild.sources.names import printable
from avbuild.sources.walk import folders_in
from avbuild.text_files import read_text

LIST_SPLITS: Mapping[str, Split] = {"train": "train", "dev": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class PublishedTree:
    """The look of a published corpus on disk, and where it comes from."""

    title: str
    folders: tuple[str, ...]  # names that it has in the sources folder
    looked_for: str  # in it, for the error
    page: str  # where users get it
    fits: Callable[[Path], bool]  # whether a folder is its root


def find_tree(tree: PublishedTree, root: Path | None, sources: Path) -> Path:
    """Return the root of a published corpus: a folder that fits, or one in it or in the sources folder that does.

    Args:
        tree: how it looks.
        root: given by the user.
        sources: folder that holds published corpora, where the user gives no root.

    Raises UserError that says what is there, what was looked for, and where to get it.
    """
    given = [root, *folders_in(root)] if root is not None else []
    known = [sources / name for name in tree.folders] if root is None else []
    for folder in (*given, *(place for base in known for place in (base, *folders_in(base)))):
        if tree.fits(folder):
            return folder
    if root is not None:
        there = f"no {tree.title} here, but {contents(root)}" if root.is_dir() else "no such folder"
        raise UserError(f"{printable(str(root))}: {there}; looked for {tree.looked_for}. {tree.title}: {tree.page}")
    raise UserError(
        f"{tree.title} is not in {sources}/ ({' or '.join(f'{name}/' for name in tree.folders)} with "
        f"{tree.looked_for}), and avbuild does not download it. Get it from {tree.page}, and give its folder with "
        "--root"
    )


def json_lines(path: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any] | Problem]]:
    """Yield the place of each line and its object, or its problem.

    Args:
        path: file of one JSON object a line.
        keys: that each of them needs.
    """
    for number, line in enumerate(read_text(path, "list").split("\n"), start=1):
        place = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            yield place, Problem(place, f"not JSON: {error}")
            continue
        if not isinstance(values, dict) or not all(isinstance(values.get(key), str | int) for key in keys):
            yield place, Problem(place, f"not an object with {', '.join(keys)}")
        else:
            yield place, values
