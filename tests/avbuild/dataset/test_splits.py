"""Splits: no recording in two splits, and shares close to the requested ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbuild.dataset.splits import FRACTIONS, SplitKey, by_folds, grouped, random70, resplit, shared_groups
from avbuild.errors import UsageError
from avbuild.scenarios.manifest import SplitSpec

rows_strategy = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(1, 5)), min_size=1, max_size=120
).map(
    lambda drawn: [
        SplitKey(str(i), f"c{label}", f"g{label}-{group}", fold) for i, (label, group, fold) in enumerate(drawn)
    ]
)


def with_splits(rows: list[SplitKey], splits: list) -> list[SplitKey]:  # type: ignore[type-arg]
    return [SplitKey(r.id, r.label, r.group, r.fold, split) for r, split in zip(rows, splits, strict=True)]


@given(rows=rows_strategy, seed=st.integers(0, 9))
def test_a_grouped_split_keeps_each_recording_in_one_split(rows: list[SplitKey], seed: int) -> None:
    assert shared_groups(with_splits(rows, grouped(rows, seed))) == {}


@given(rows=rows_strategy, seed=st.integers(0, 9), data=st.data())
def test_folds_keep_the_test_fold_complete_without_leaks(rows: list[SplitKey], seed: int, data: st.DataObject) -> None:
    folds = sorted({row.fold for row in rows})
    test = data.draw(st.sampled_from(folds))
    validation = data.draw(st.sampled_from([None, *(f for f in folds if f != test)]))
    splits = by_folds(rows, test, validation, seed)
    assert all((split == "test") == (row.fold == test) for row, split in zip(rows, splits, strict=True))
    assert shared_groups(with_splits(rows, splits)) == {}
    in_test = {row.group for row in rows if row.fold == test}
    if validation is None:  # only recordings of the test fold are left out
        assert all((s is None) == (r.fold != test and r.group in in_test) for r, s in zip(rows, splits, strict=True))


def test_every_split_gets_its_share_of_every_class() -> None:
    rows = [SplitKey(f"{c}-{i}", f"c{c}", f"{c}-{i // 4}", 0) for c in range(5) for i in range(200)]
    splits = grouped(rows, 0)
    for label in {row.label for row in rows}:
        own = [split for row, split in zip(rows, splits, strict=True) if row.label == label]
        for split, fraction in FRACTIONS.items():
            assert own.count(split) == pytest.approx(fraction * 200, abs=4)


def test_a_grouped_split_does_not_depend_on_the_order_of_rows() -> None:
    rows = [SplitKey(str(i), f"c{i % 3}", f"g{i // 5}", 0) for i in range(90)]
    forwards = dict(zip((r.id for r in rows), grouped(rows, 3), strict=True))
    backwards = dict(zip((r.id for r in rows[::-1]), grouped(rows[::-1], 3), strict=True))
    assert forwards == backwards


def test_random70_is_70_30_and_leaks() -> None:
    rows = [SplitKey(str(i), "c", f"g{i // 10}", 0) for i in range(1_000)]
    splits = random70(rows, 0)
    assert splits.count("test") == 300
    assert shared_groups(with_splits(rows, splits))


def test_a_fold_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no fold 7 in this data set; folds it has: 1, 2"):
        resplit(
            SplitSpec.model_validate({"fold": {"test": 7}}), [SplitKey("a", "c", "g", 1), SplitKey("b", "c", "h", 2)], 0
        )
