"""Drawn sets of modalities: never empty, never more than a sample has, and all equally likely."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avtrain.methods.shared.drawn_absence import all_present, draw_subsets

NAMES = ("audio", "image", "text")


def rows_of(present: dict[str, torch.Tensor]) -> list[tuple[bool, ...]]:
    return [tuple(map(bool, row)) for row in torch.stack(list(present.values()), dim=1)]


@given(
    st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.booleans()] * m).filter(any), min_size=1, max_size=20)),
    st.booleans(),
)
@settings(deadline=None)
def test_a_drawn_set_is_a_nonempty_part_of_what_is_there(there: list[tuple[bool, ...]], proper: bool) -> None:
    present = {str(i): torch.tensor([row[i] for row in there]) for i in range(len(there[0]))}
    drawn = draw_subsets(present, proper)
    assert list(drawn) == list(present)
    for had, has in zip(there, rows_of(drawn), strict=True):
        assert any(has)
        assert all(a or not b for a, b in zip(had, has, strict=True))
        assert not proper or sum(has) < sum(had) or sum(had) == 1


@pytest.mark.parametrize("proper", [False, True])
def test_every_set_is_equally_likely(proper: bool) -> None:
    torch.manual_seed(0)
    present = {m: torch.ones(14_000, dtype=torch.bool) for m in NAMES}
    counts = Counter(rows_of(draw_subsets(present, proper)))
    assert len(counts) == 6 + (not proper)
    expected = 14_000 / len(counts)
    assert all(abs(n - expected) < 5 * expected**0.5 for n in counts.values())


def test_the_same_seed_draws_the_same_sets() -> None:
    present = {m: torch.ones(50, dtype=torch.bool) for m in NAMES}
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(rows_of(draw_subsets(present, proper=True)))
    assert found[0] == found[1]


def test_complete_samples_are_those_with_every_modality() -> None:
    present = {"audio": torch.tensor([True, True, False]), "image": torch.tensor([True, False, True])}
    assert all_present(present).tolist() == [True, False, False]
