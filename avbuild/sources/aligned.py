"""Corpora whose rows belong together: a row is one sample, with a file or a text of every modality that it has."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from avbuild.dataset.splits import Split
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.text import UTF8, read_text
from avbuild.modalities.video_frames import FPS
from avbuild.scenarios.seeding import digest
from avbuild.sources.contents import copies, joined_groups
from avbuild.sources.corpus import Absent, Corpus, Credit, LocalFile, Material, Media, Problem, SourceItem


@dataclass(frozen=True, slots=True)
class AlignedRow:
    """One sample of a corpus."""

    id: str
    label: str
    media: Mapping[str, Media]  # by modality; one that the sample lacks is left out
    group: str
    fold: int = 0
    split: Split | None = None  # the published split, where it is followed
    where: Mapping[str, str] | None = None  # modality -> what problems name in place of the file
    encoding: str = UTF8  # of its text


@dataclass(frozen=True, slots=True)
class AlignedSource:
    """The description of a corpus beside its rows."""

    modalities: tuple[str, ...]  # any order
    credit: Credit
    classes: tuple[str, ...]  # in the order of their index
    notes: tuple[str, ...] = ()  # for the card
    announcements: tuple[str, ...] = ()  # for the screen
    problems: tuple[Problem, ...] = ()  # files or rows that cannot be used
    unwanted: tuple[Problem, ...] = ()  # usable, but left out by a rule or an option
    faults: tuple[Problem, ...] = ()  # problems that cannot be left out
    split_source: str = ""  # who gives the splits, where all rows have one
    recipe: Mapping[str, str] | None = None  # what else decides the bytes
    advice: str = ""  # what to do where many files are missing
    fps: float = FPS


def aligned_material(rows: Sequence[AlignedRow], source: AlignedSource) -> Material:
    """Return the material of rows that are samples as they are.

    Args:
        rows: one a sample.
        source: what else there is to say.
    """
    first, *others = (modality for modality in MODALITIES if modality in source.modalities)
    corpora = [
        Corpus(
            first,
            source.credit,
            source.classes,
            _items(rows, first, source.fps),
            source.problems,
            source.notes,
            source.unwanted,
            source.advice,
        ),
        *(Corpus(modality, source.credit, source.classes, _items(rows, modality, source.fps)) for modality in others),
    ]
    # ids, labels and splits are not in the hashes of the files, but decide what is written
    facts = digest(sorted([row.id, row.label, row.group, row.fold, row.split or ""] for row in rows))[:16]
    return Material(
        tuple(corpora),
        source.classes,
        announcements=source.announcements,
        faults=source.faults,
        split_source=source.split_source,
        recipe={"rows": facts, **(source.recipe or {})},
    )


def _items(rows: Sequence[AlignedRow], modality: str, fps: float) -> tuple[SourceItem, ...]:
    return tuple(
        SourceItem(
            modality=modality,
            id=row.id,
            label=row.label,
            media=row.media.get(modality, Absent()),
            group=row.group,
            fold=row.fold,
            split=row.split,
            fps=fps,
            where=(row.where or {}).get(modality, ""),
            encoding=row.encoding if modality == "text" else UTF8,
        )
        for row in rows
    )


def used_classes(order: Iterable[str], rows: Sequence[AlignedRow]) -> tuple[str, ...]:
    """Return the classes that rows have, in an order.

    Args:
        order: all classes that there may be.
        rows: of the corpus.
    """
    labels = {row.label for row in rows}
    return tuple(label for label in order if label in labels)


def same_files(rows: Sequence[AlignedRow], modality: str) -> list[list[str]]:
    """Return the sets of two or more ids whose files of a modality have equal content.

    Args:
        rows: of the corpus; media that are no files of their own are not compared.
        modality: of the files.
    """
    items = [item for item in _items(rows, modality, FPS) if isinstance(item.media, LocalFile)]
    return [[item.id for item in members] for members in copies(items)]


def same_texts(rows: Sequence[AlignedRow]) -> list[list[str]]:
    """Return the sets of two or more ids whose texts are equal, but for spaces around them.

    Args:
        rows: of the corpus; texts that are empty are not compared.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if "text" in row.media:
            found[read_text(row.media["text"].read(), row.encoding).strip()].append(row.id)
    return [ids for text, ids in found.items() if text and len(ids) > 1]


def join_groups(rows: Sequence[AlignedRow], same: Iterable[Sequence[str]]) -> list[AlignedRow]:
    """Return the rows with one group for all that are connected by equal content or by the group that they had.

    Args:
        rows: of the corpus.
        same: sets of ids that belong together.
    """
    groups = joined_groups({row.id: row.group for row in rows}, list(same))
    return [replace(row, group=groups[row.id]) for row in rows]


def crossing(same: Iterable[Sequence[str]], splits: Mapping[str, str]) -> list[Sequence[str]]:
    """Return the sets of ids that are in more than one split.

    Args:
        same: sets of ids of equal content.
        splits: id -> split.
    """
    return [ids for ids in same if len({splits[id] for id in ids}) > 1]
