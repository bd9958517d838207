"""Find files of equal content, so that copies of one recording are not taken for different ones."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from avbuild.progress import progress_bar
from avbuild.sources.corpus import SourceItem


def copies(items: Iterable[SourceItem]) -> list[list[SourceItem]]:
    """Return the sets of two or more items whose files have equal content, each in the order of the items.

    Only files of equal size are read.

    Args:
        items: local files of one modality.
    """
    by_size: dict[int, list[SourceItem]] = defaultdict(list)
    for item in items:
        by_size[Path(item.media.name).stat().st_size].append(item)
    alike = [item for members in by_size.values() if len(members) > 1 for item in members]
    by_content: dict[str, list[SourceItem]] = defaultdict(list)
    with progress_bar("comparing", len(alike)) as advance:
        for item in alike:
            with suppress(OSError):  # a file that cannot be read is reported when all files are checked
                by_content[_content(item)].append(item)
            advance()
    return [members for members in by_content.values() if len(members) > 1]


def _content(item: SourceItem) -> str:
    with Path(item.media.name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joined_groups(groups: Mapping[str, str], same: Sequence[Sequence[str]]) -> dict[str, str]:
    """Join the groups of items that belong together.

    Args:
        groups: item id -> group.
        same: sets of ids that must be in one group.

    Returns item id -> group; joined groups have the name of one of them.
    """
    parent = {group: group for group in groups.values()}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for ids in same:
        first, *others = sorted({root(groups[id]) for id in ids})
        for other in others:
            parent[other] = first
    return {id: root(group) for id, group in groups.items()}
