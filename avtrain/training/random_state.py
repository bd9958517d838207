"""The state of torch's random generators, saved with a model so that training continues as if never stopped."""

from collections.abc import Mapping
from typing import Any

import torch


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of the CPU's generator and of a GPU's, as entries of `state.pt`.

    Args:
        device: of the training; the state of its generator is saved where it is a GPU.
    """
    on_gpu = device.type == "cuda"
    return {"random": torch.get_rng_state(), "random_cuda": [torch.cuda.get_rng_state(device)] if on_gpu else []}


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Continue the random numbers from a saved state.

    Args:
        state: with the entries of `random_state`.
        device: of the training, with its index where it is a GPU.
    """
    torch.set_rng_state(state["random"])
    saved = state["random_cuda"]
    if saved and device.type == "cuda":
        # one state for any GPU, since all ranks draw alike; early pretraining saved a list of those of all GPUs
        torch.cuda.set_rng_state(saved[min(device.index, len(saved) - 1)], device)
