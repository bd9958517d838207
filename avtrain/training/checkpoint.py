"""What `state.pt` holds: all that training needs to go on as if it had never stopped."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from avbuild.errors import UserError
from avtrain.data.fingerprints import digest_weights
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.training.random_state import random_state, restore_random_state
from avtrain.training.weight_averaging import WeightAverage


def fingerprints_of(method: Method, content: Mapping[str, str]) -> dict[str, str]:
    """What training stands on and does not change, by name, as digests.  content: of the data, by split."""
    return {f"{split} data": found for split, found in content.items()} | {
        "frozen weights": digest_weights(_frozen(method))
    }


def state_of(
    method: Method,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    fingerprints: Mapping[str, str],
    epoch: int,
    best: dict[str, Any],
) -> dict[str, Any]:
    """All that `restore` needs.  ground: `ground_of`, which must be the same then."""
    return {
        "ground": dict(fingerprints),
        "epoch": epoch,
        "best": best,
        "method": _moving(method),
        "method_training": method.training_state(),
        "optimizer": optimizer.state_dict(),
        "average": average.state(),
        **random_state(next(method.parameters()).device),
    }


def restore(
    run: Run, method: Method, optimizer: torch.optim.Optimizer, average: WeightAverage, fingerprints: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Go on from a run's state; returns the epochs done, and the best so far.

    Raises UserError where the ground is another than before.
    """
    state = run.state()
    if state is None:
        return 0, {"epoch": 0, "accuracy": -1.0}
    if other := [name for name, value in fingerprints.items() if state["ground"].get(name) != value]:
        raise UserError(
            f"{run}: begun on other {' and '.join(other)} than there are now. Put back what has changed since (the "
            "data set, a file of weights, the run of --init-from), or --resume restart to begin anew"
        )
    method.load_state_dict(method.state_dict() | state["method"])
    method.resume(state.get("method_training", {}))
    optimizer.load_state_dict(state["optimizer"])
    device = next(method.parameters()).device
    average.restore(state["average"]["count"], state["average"]["mean"], device)
    restore_random_state(state, device)
    return state["epoch"], state["best"]


def _moving(method: Method) -> dict[str, Tensor]:
    """All that training changes.  Frozen weights, often nearly all there are, come from where they came from before."""
    frozen = _frozen(method)
    return {name: value for name, value in method.state_dict().items() if name not in frozen}


def _frozen(method: Method) -> dict[str, Tensor]:
    return {name: weight for name, weight in method.named_parameters() if not weight.requires_grad}
