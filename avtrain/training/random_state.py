"""The state of torch's random numbers, kept beside a model so that training goes on as if never stopped."""

from collections.abc import Mapping
from typing import Any

import torch


def random_state(device: torch.device) -> dict[str, Any]:
    """That of the CPU and, where training is on a GPU, of that one: entries for `state.pt`."""
    on_gpu = device.type == "cuda"
    return {"random": torch.get_rng_state(), "random_cuda": [torch.cuda.get_rng_state(device)] if on_gpu else []}


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Draw from now on as was drawn when the state was kept.  device: with its number, where it is a GPU."""
    torch.set_rng_state(state["random"])
    kept = state["random_cuda"]
    if kept and device.type == "cuda":
        # one, of whichever GPU that was: each process has a GPU of its own, all draw alike.  Pretraining once kept
        # those of all GPUs in order
        torch.cuda.set_rng_state(kept[min(device.index, len(kept) - 1)], device)
