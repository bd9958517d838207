"""Hiding modalities: what is hidden was there, something is always left, and how much is hidden."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avtrain.methods.shared.hiding import hide_modalities


@given(
    rows=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=20),
    rate=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_what_is_left_was_there_and_is_never_nothing(rows: list[list[bool]], rate: float, seed: int) -> None:
    torch.manual_seed(seed)
    present = dict(zip(("audio", "image", "text"), torch.tensor(rows).T, strict=True))
    left = hide_modalities(present, rate)
    assert left.keys() == present.keys()
    assert all((left[m] <= present[m]).all() for m in present)
    assert torch.equal(torch.stack([*left.values()]).any(dim=0), torch.stack([*present.values()]).any(dim=0))
    if rate == 0:
        assert all(torch.equal(left[m], present[m]) for m in present)
    if rate == 1:
        assert (torch.stack([*left.values()]).sum(dim=0) <= 1).all()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("rate", [0.3, 0.7, 1.0])
def test_the_share_that_is_hidden(count: int, rate: float) -> None:
    torch.manual_seed(0)
    present = {m: torch.ones(40_000, dtype=torch.bool) for m in ("audio", "image", "text")[:count]}
    left = hide_modalities(present, rate)
    for mask in left.values():  # no modality is favoured
        assert 1 - mask.double().mean().item() == pytest.approx(rate - rate**count / count, abs=0.01)
