"""Assign rows to splits: grouped by recording, by the publisher's folds, or the legacy 70 / 30 split."""

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
VALIDATION_SHARE = 0.125  # of what is not test: 10 of the remaining 80 %


@dataclass(frozen=True, slots=True)
class SplitKey:
    """The properties of a row that decide its split."""

    id: str
    label: str
    group: str
    fold: int
    split: Split | None = None  # as the data set was built


def grouped(rows: Sequence[SplitKey], seed: int, fractions: Mapping[Split, float] = FRACTIONS) -> list[Split]:
    """Split by whole groups, so that each split gets its fraction of every class as closely as the groups allow.

    Groups are visited in an order drawn by the seed; each is assigned to the split where its main class lacks most.

    Args:
        rows: to split.
        seed: of the order.
        fractions: split -> share of every class, 0 to 1.

    Returns the split of each row.
    """
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        members[row.group][row.label] += 1
    total = Counter(row.label for row in rows)
    need = {(split, label): fraction * total[label] for label in total for split, fraction in fractions.items()}
    assigned: dict[str, Split] = {}
    for group in sorted(members, key=lambda group: digest(seed, "split", group)):
        label = max(sorted(members[group]), key=members[group].__getitem__)
        assigned[group] = max(fractions, key=lambda split: need[split, label])
        for label, count in members[group].items():
            need[assigned[group], label] -= count
    return [assigned[row.group] for row in rows]


def by_folds(rows: Sequence[SplitKey], test: int, validation: int | None, seed: int) -> list[Split | None]:
    """Split by the publisher's folds.

    A group that also has rows in the test fold is left out of the other splits, so that the test fold stays complete
    and comparable; groups of the validation fold are left out of train in the same way.

    Args:
        rows: to split.
        test: fold that becomes the test split.
        validation: fold that becomes the validation split; None: an eighth of the training folds, whole groups.
        seed: of the split of the training folds.

    Returns the split of each row, None where it is left out.

    Raises UsageError for a fold that no row has.
    """
    folds = {row.fold for row in rows}
    for fold in (test, validation):
        if fold is not None and fold not in folds:
            available = ", ".join(map(str, sorted(folds - {0}))) or "none"
            raise UsageError(f"split: no fold {fold} in this data set; folds it has: {available}")
    in_test = {row.group for row in rows if row.fold == test}
    splits: list[Split | None] = []
    if validation is None:
        rest = [row for row in rows if row.fold != test and row.group not in in_test]
        fractions: Mapping[Split, float] = {"train": 1 - VALIDATION_SHARE, "validation": VALIDATION_SHARE}
        split_of = dict(zip(rest, grouped(rest, seed, fractions), strict=True))
        return ["test" if row.fold == test else split_of.get(row) for row in rows]
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
    """Return the legacy split: 70 / 30 by row, regardless of recordings.

    Rows of one recording can be in train and in test. Validation rows are taken from the 70 %, so that nothing is
    selected on the test split.

    Args:
        rows: to split.
        seed: of the order of the rows.

    Returns the split of each row.
    """
    order = sorted(range(len(rows)), key=lambda index: digest(seed, "random70", rows[index].id))
    not_test = round(0.7 * len(rows))
    validation = round(VALIDATION_SHARE * not_test)
    rank = {index: position for position, index in enumerate(order)}
    return [
        "test" if rank[index] >= not_test else "validation" if rank[index] < validation else "train"
        for index in range(len(rows))
    ]


def resplit(spec: SplitSpec, rows: Sequence[SplitKey], seed: int) -> list[Split | None]:
    """Split rows as a manifest asks for.

    Args:
        spec: of the manifest.
        rows: of all splits of the data set.
        seed: of the manifest.

    Returns the split of each row, None where it is left out.
    """
    if spec.fold is not None:
        return by_folds(rows, spec.fold.test, spec.fold.validation, seed)
    if spec.protocol == "random70":
        return list(random70(rows, seed))
    return [row.split for row in rows]


def shared_groups(rows: Sequence[SplitKey]) -> dict[str, list[Split]]:
    """Return the groups that are in more than one split, with those splits; empty where nothing leaks."""
    found: dict[str, set[Split]] = defaultdict(set)
    for row in rows:
        if row.split is not None:
            found[row.group].add(row.split)
    return {group: sorted(splits, key=SPLITS.index) for group, splits in sorted(found.items()) if len(splits) > 1}
