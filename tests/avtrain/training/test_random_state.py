"""Random state: what is drawn after a restart is what would have been drawn."""

import pytest
import torch

from avtrain.training.random_state import random_state, restore_random_state


def test_draws_go_on_as_if_never_stopped() -> None:
    cpu = torch.device("cpu")
    torch.manual_seed(3)
    torch.rand(7)
    kept = random_state(cpu)
    expected = torch.rand(5)
    torch.manual_seed(4)
    restore_random_state(kept, cpu)
    assert torch.equal(torch.rand(5), expected)


@pytest.mark.parametrize(
    ("kept", "device", "expected"),
    [
        ([7], "cuda:0", 7),
        ([7], "cuda:2", 7),  # another GPU than before
        ([7, 8, 9], "cuda:1", 8),  # all of a machine's, as pretraining once kept them
        ([], "cuda:0", None),  # begun on the CPU
        ([7], "cpu", None),
    ],
)
def test_a_gpu_gets_the_state_that_was_kept_for_it(
    monkeypatch: pytest.MonkeyPatch, kept: list[int], device: str, expected: int | None
) -> None:
    restored: list[tuple[int, str]] = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, place: restored.append((state, str(place))))
    state = {"random": torch.get_rng_state(), "random_cuda": kept}
    restore_random_state(state, torch.device(device))
    assert restored == ([] if expected is None else [(expected, device)])
