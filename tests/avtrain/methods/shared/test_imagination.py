"""Errors of imagined embeddings: a mean over the cells that are known."""

import pytest
import torch

from avtrain.methods.shared.imagination import Encoders, hidden_from, known_error


def test_the_error_is_a_mean_over_known_cells() -> None:
    values = torch.tensor([[1.0, 2.0, 5.0, 7.0], [0.0, 0.0, 3.0, 3.0]])  # two modalities of two numbers
    targets = torch.zeros(2, 4)
    present = {"audio": torch.tensor([True, False]), "image": torch.tensor([True, True])}
    assert known_error(values, targets, present).item() == pytest.approx((1 + 4 + 25 + 49 + 9 + 9) / 6)
    everything = {m: torch.ones(2, dtype=torch.bool) for m in present}
    assert known_error(values, targets, everything).item() == pytest.approx(values.square().mean().item())
    nothing = {m: torch.zeros(2, dtype=torch.bool) for m in present}
    assert known_error(values, targets, nothing).item() == 0


def test_an_unknown_cell_has_no_gradient() -> None:
    values = torch.randn(3, 4, requires_grad=True)
    present = {"audio": torch.tensor([True, False, True]), "image": torch.tensor([True, True, False])}
    torch.autograd.backward(known_error(values, torch.zeros(3, 4), present))
    assert values.grad is not None
    assert (values.grad != 0).tolist() == [[True] * 4, [False, False, True, True], [True, True, False, False]]


def test_hidden_is_what_is_there_and_not_shown() -> None:
    present = {"audio": torch.tensor([True, True, False]), "image": torch.tensor([True, True, True])}
    shown = {"audio": torch.tensor([True, False, False]), "image": torch.tensor([False, True, True])}
    found = {m: mask.tolist() for m, mask in hidden_from(present, shown).items()}
    assert found == {"audio": [False, True, False], "image": [True, False, False]}


def test_encodings_stand_in_the_order_of_the_modalities() -> None:
    encoders = Encoders({"audio": 3, "image": 5}, dropout=0.5).eval()
    x = {"image": torch.randn(2, 5), "audio": torch.randn(2, 3)}
    found = encoders(x)
    assert found.shape == (2, encoders.width) == (2, 256)
    changed = encoders({**x, "image": torch.zeros(2, 5)})
    assert torch.equal(found[:, :128], changed[:, :128])
    assert not torch.equal(found[:, 128:], changed[:, 128:])
