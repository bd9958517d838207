"""Which split a recording belongs to: grouped by recording, by the publisher's folds, or the legacy 70 / 30."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from avbuild.errors import UsageError
from avbuild.scenarios.manifest import SplitSpec
from avbuild.scenarios.seeding import digest

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
FRACTIONS: Mapping[Split, float] = {"train": 0.7, "validation": 0.1, "test": 0.2}
CARVED = 0.125  # of what is not test goes to validation: 10 of the remaining 80 %


@dataclass(frozen=True, slots=True)
class SplitKey:
    """What a split is decided by."""

    id: str
    label: str
    group: str
    fold: int
    split: Split | None = None  # as the data set was built


def grouped(rows: Sequence[SplitKey], seed: int, fractions: Mapping[Split, float] = FRACTIONS) -> list[Split]:
    """Whole recordings to splits, so that each split holds its fraction of every class as nearly as they allow.

    Recordings come in an order drawn by the seed; each goes where its class is furthest below its share.
    """
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        members[row.group][row.label] += 1
    total = Counter(row.label for row in rows)
    need = {(split, label): fraction * total[label] for label in total for split, fraction in fractions.items()}
    home: dict[str, Split] = {}
    for group in sorted(members, key=lambda group: digest(seed, "split", group)):
        label = max(sorted(members[group]), key=members[group].__getitem__)
        home[group] = max(fractions, key=lambda split: need[split, label])
        for label, count in members[group].items():
            need[home[group], label] -= count
    return [home[row.group] for row in rows]


def by_folds(rows: Sequence[SplitKey], test: int, validation: int | None, seed: int) -> list[Split | None]:
    """One fold tests, one validates (None: carved by recording from the rest), the others train.

    A recording that also has slices in the test fold is left out of the other splits (None), so that the test fold
    stays whole and comparable; likewise train gives way to validation.
    """
    folds = {row.fold for row in rows}
    for fold in (test, validation):
        if fold is not None and fold not in folds:
            known = ", ".join(map(str, sorted(folds - {0}))) or "none"
            raise UsageError(f"split: no fold {fold} in this data set; folds it has: {known}")
    in_test = {row.group for row in rows if row.fold == test}
    splits: list[Split | None] = []
    if validation is None:
        rest = [row for row in rows if row.fold != test and row.group not in in_test]
        carved = dict(zip(rest, grouped(rest, seed, {"train": 1 - CARVED, "validation": CARVED}), strict=True))
        return ["test" if row.fold == test else carved.get(row) for row in rows]
    in_validation = {row.group for row in rows if row.fold == validation} - in_test
    for row in rows:
        if row.fold == test:
            splits.append("test")
        elif row.group in in_test:
            splits.append(None)
        elif row.fold == validation:
            splits.append("validation")
        else:
            splits.append(None if row.group in in_validation else "train")
    return splits


def random70(rows: Sequence[SplitKey], seed: int) -> list[Split]:
    """The legacy split: 70 / 30 by row, blind to recordings, so slices of one recording train and test.

    Validation is carved from the 70, so that nothing is ever selected on the 30.
    """
    order = sorted(range(len(rows)), key=lambda index: digest(seed, "random70", rows[index].id))
    held_in = round(0.7 * len(rows))
    validation = round(CARVED * held_in)
    rank = {index: position for position, index in enumerate(order)}
    return [
        "test" if rank[index] >= held_in else "validation" if rank[index] < validation else "train"
        for index in range(len(rows))
    ]


def resplit(spec: SplitSpec, rows: Sequence[SplitKey], seed: int) -> list[Split | None]:
    """The splits a manifest asks for; None for a row that is left out."""
    if spec.fold is not None:
        return by_folds(rows, spec.fold.test, spec.fold.validation, seed)
    if spec.protocol == "random70":
        return list(random70(rows, seed))
    return [row.split for row in rows]


def shared_groups(rows: Sequence[SplitKey]) -> dict[str, list[Split]]:
    """Recordings that stand in more than one split, with those splits; empty when nothing leaks."""
    found: dict[str, set[Split]] = defaultdict(set)
    for row in rows:
        if row.split is not None:
            found[row.group].add(row.split)
    return {group: sorted(splits, key=SPLITS.index) for group, splits in sorted(found.items()) if len(splits) > 1}
