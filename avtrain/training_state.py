"""What `state.pt` holds: all that training needs to go on as if it had never stopped."""

from typing import Any

import torch
from torch import Tensor

from avbuild.errors import UserError
from avtrain.averaging import WeightAverage
from avtrain.digests import digest_weights
from avtrain.methods import Method
from avtrain.random_state import random_state, restore_random_state
from avtrain.runs import Run


def state_of(
    method: Method,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    frozen: str,
    epoch: int,
    best: dict[str, Any],
) -> dict[str, Any]:
    """All that `restore` needs.  frozen: `digest_of_frozen`."""
    return {
        "frozen": frozen,
        "epoch": epoch,
        "best": best,
        "method": _moving(method),
        "method_training": method.training_state(),
        "optimizer": optimizer.state_dict(),
        "average": average.state(),
        **random_state(next(method.parameters()).device),
    }


def restore(
    run: Run, method: Method, optimizer: torch.optim.Optimizer, average: WeightAverage, frozen: str
) -> tuple[int, dict[str, Any]]:
    """Go on from a run's state; returns the epochs done, and the best so far.

    Raises UserError where the weights that training leaves as they are are not those of before.
    """
    state = run.state()
    if state is None:
        return 0, {"epoch": 0, "accuracy": -1.0}
    if state["frozen"] != frozen:
        raise UserError(
            f"{run}: begun on other frozen weights than there are now: a file of weights, or the run of --init-from, "
            "has changed since. Put the old one back, or --resume restart to begin anew on the new one"
        )
    method.load_state_dict(method.state_dict() | state["method"])
    method.resume(state.get("method_training", {}))
    optimizer.load_state_dict(state["optimizer"])
    device = next(method.parameters()).device
    average.restore(state["average"]["count"], state["average"]["mean"], device)
    restore_random_state(state, device)
    return state["epoch"], state["best"]


def digest_of_frozen(method: Method) -> str:
    """Tells whether the weights that training leaves as they are are still the same."""
    return digest_weights(_frozen(method))


def _moving(method: Method) -> dict[str, Tensor]:
    """All that training changes.  Frozen weights, often nearly all there are, come from where they came from before."""
    frozen = _frozen(method)
    return {name: value for name, value in method.state_dict().items() if name not in frozen}


def _frozen(method: Method) -> dict[str, Tensor]:
    return {name: weight for name, weight in method.named_parameters() if not weight.requires_grad}
