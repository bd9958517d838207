"""Read one folder of the user's own files: one modality in class folders, with or without splits above."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.dataset.splits import SPLITS, Split
from avbuild.errors import UsageError, UserError, listed
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.video_frames import FPS
from avbuild.sources.corpus import Corpus, LocalFile, Problem, SourceItem
from avbuild.sources.folders import SUFFIXES, find_in_class_folders, folder_credit
from avbuild.sources.layout import FolderLayout, recognise, tree
from avbuild.sources.names import normal, printable
from avbuild.sources.options import Options
from avbuild.sources.urbansound8k_table import SLICE_NAME


@dataclass(frozen=True, slots=True)
class OwnFolder:
    """The files of one modality, and how they are laid out."""

    layout: FolderLayout
    corpus: Corpus
    same_stem: frozenset[str]  # ids of items whose stem, class and split are also those of another item

    @property
    def modality(self) -> str:
        """The modality of the files."""
        return self.corpus.modality

    @property
    def nouns(self) -> str:
        """The noun for the files, in the plural."""
        return MODALITIES[self.modality].nouns

    @property
    def tree(self) -> str:
        """The folder as it was understood, for errors."""
        return tree(self.layout.root, SUFFIXES[self.modality], self.nouns)


def read_own_folder(modality: str, root: Path, options: Options) -> OwnFolder:
    """Read a folder of class folders, or of split folders that hold class folders.

    The id of an item is SPLIT/CLASS/STEM, or CLASS/STEM where there are no splits; its group is that of its name.

    Args:
        modality: of the files.
        root: the folder.
        options: of the user; files of another modality in the same folder are passed over.

    Raises UserError where the layout is doubtful, or no file of the modality is there.
    """
    layout, problems = recognise(root, SUFFIXES[modality], MODALITIES[modality].nouns)
    others = [m for m, folder in options.own_folders.items() if m != modality and folder.resolve() == root.resolve()]
    passed_over = frozenset[str]().union(*(SUFFIXES[other] for other in others))
    found_problems, classes, items = [*problems], set[str](), list[SourceItem]()
    stems: dict[str, str] = {}
    seen: set[str] = set()
    for split in (None, *SPLITS):
        if split not in layout.places:
            continue
        place = layout.places[split]
        found = find_in_class_folders(place, place, SUFFIXES[modality], modality, seen, passed_over)
        classes.update(found.classes)
        found_problems += found.problems
        above = f"{split}/" if split else ""
        for id, (label, path) in found.files.items():
            stems[above + id] = above + normal(path.relative_to(place).with_suffix("").as_posix())
            items.append(_item(modality, above + id, label, path, split, options.fps or FPS))
    if passed_over:  # a problem beside the split folders may be the other modality's file
        found_problems = [p for p in found_problems if Path(p.path).suffix.lower() not in passed_over]
    counts = Counter(stems.values())
    credit = folder_credit(root, options.licence or "not stated")
    corpus = Corpus(modality, credit, tuple(sorted(classes)), tuple(items), tuple(found_problems))
    return OwnFolder(layout, corpus, frozenset(id for id, stem in stems.items() if counts[stem] > 1))


def _item(modality: str, id: str, label: str, path: Path, split: Split | None, fps: float) -> SourceItem:
    return SourceItem(modality, id, label, LocalFile(str(path)), group=id, split=split, fps=fps)


def group_names(ids: Mapping[str, str], pattern: str | None) -> dict[str, str]:
    """Return the group of each item by id: what the pattern finds in its name, or else the item itself.

    A name like that of an UrbanSound8K slice has its recording in it, where no pattern is given.

    Args:
        ids: id -> stem of the file name.
        pattern: regular expression with one group, searched in the stem.

    Raises UsageError for a pattern without exactly one group, UserError for names it does not find anything in.
    """
    if pattern is None:
        slices = {id: SLICE_NAME.fullmatch(stem) for id, stem in ids.items()}
        return {id: named[1] if named else id for id, named in slices.items()}
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--group-pattern {pattern!r}: is no regular expression: {error}") from None
    if compiled.groups != 1:
        raise UsageError(
            f"--group-pattern {pattern!r}: has {compiled.groups} groups; it needs one, in parentheses, around the "
            "part of the file name that names the recording, such as '^([^-]+)-'"
        )
    found = {id: compiled.search(stem) for id, stem in ids.items()}
    if missed := [printable(id) for id, match in found.items() if not (match and match[1])]:
        raise UserError(
            f"--group-pattern {pattern!r}: finds nothing in {len(missed):,} of {len(ids):,} names:\n{listed(missed, 5)}"
        )
    return {id: match[1] for id, match in found.items() if match}


def check_splits(folders: Sequence[OwnFolder]) -> None:
    """Refuse folders of which only some are split, that have different splits, or that lack train or test.

    Raises UserError that shows the folders as they were understood.
    """
    splits = folders[0].layout.splits
    for folder in folders[1:]:
        if folder.layout.splits != splits:
            had = [f"{f.modality} has {', '.join(f.layout.splits) or 'no splits'}" for f in (folders[0], folder)]
            raise UserError(
                f"{'; '.join(had)}. Give all of them the same split folders, or none of them any\n"
                f"{folders[0].tree}\n{folder.tree}"
            )
    if splits and not {"train", "test"} <= set(splits):
        lacking = " and ".join(split for split in ("train", "test") if split not in splits)
        place = folders[0].layout.places[splits[0]]
        raise UserError(
            f"{printable(str(folders[0].layout.root))}: has the split {' and '.join(splits)}, but no {lacking}. "
            f"Add {lacking}/; or name the folder that is to be the test split test/ (a tenth of train then validates); "
            f"or give a folder of classes, such as {printable(str(place))}, which avbuild splits 70 / 10 / 20\n"
            f"{folders[0].tree}"
        )


def left_out(items: Sequence[SourceItem], reason: str) -> tuple[Problem, ...]:
    """Return the items as files that are left out for one reason."""
    return tuple(Problem(item.media.name, reason) for item in items)
