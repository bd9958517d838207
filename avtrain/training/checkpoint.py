"""The content of `state.pt`: everything that training needs to continue as if it had never stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from avbuild.errors import UserError
from avtrain.data.fingerprints import digest_weights
from avtrain.frontends.base import version_of
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.training.random_state import random_state, restore_random_state
from avtrain.training.weight_averaging import WeightAverage

INITIAL_WEIGHTS = "initial weights"  # fingerprint of those of --init-from
FROZEN = "frozen weights"  # fingerprint of those that training does not change
FRONTEND, AUGMENTATION = "version of the front end", "augmentation of the audio"
# fingerprints that are left out where they have these values, which avtrain 0.1 always had
EARLIER = {FRONTEND: "1", AUGMENTATION: "none"}


@dataclass
class TrainingState:
    """A method in training, and how far it has come.

    Attributes:
        method: the model; only what training changes in it is saved.
        optimizer: over the method's trainable parameters.
        fingerprints: digests of what must stay the same while the run is trained, by `fingerprints_of`.
        average: running mean of the trained weights.
        epoch: the last epoch that is finished; 0 before the first.
        best: `epoch` and `accuracy` of the best epoch so far on the split that selects.
        full_rates: learning rate of each parameter group before the schedule scales it.
    """

    method: Method
    optimizer: torch.optim.Optimizer
    fingerprints: Mapping[str, str]
    average: WeightAverage = field(default_factory=WeightAverage)
    epoch: int = 0
    best: dict[str, Any] = field(default_factory=lambda: {"epoch": 0, "accuracy": -1.0})
    full_rates: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.full_rates = [group["lr"] for group in self.optimizer.param_groups]

    def as_dict(self) -> dict[str, Any]:
        """Return what `restore` needs, ready for `torch.save`."""
        return {
            "fingerprints": dict(self.fingerprints),
            "epoch": self.epoch,
            "best": self.best,
            "method": trained_state(self.method),
            "method_training": self.method.training_state(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state(),
            **random_state(next(self.method.parameters()).device),
        }

    def restore(self, run: Run) -> None:
        """Continue from the run's `state.pt`; without one, nothing changes.

        Raises:
            UserError: the data or the frozen weights are not those that the run was begun with.
        """
        saved = run.state()
        if saved is None:
            return
        self._require_same_parameters(run, saved)
        self._require_same_fingerprints(run, saved)
        self.method.load_state_dict(self.method.state_dict() | saved["method"])
        self.method.load_training_state(saved.get("method_training", {}))
        self.optimizer.load_state_dict(saved["optimizer"])
        device = next(self.method.parameters()).device
        self.average.restore(saved["average"]["count"], saved["average"]["mean"], device)
        restore_random_state(saved, device)
        self.epoch, self.best = saved["epoch"], saved["best"]
        run.weights()  # those of the best epoch must be whole: no later epoch may be better

    def _require_same_parameters(self, run: Run, saved: Mapping[str, Any]) -> None:
        before, now = (
            sum(len(group["params"]) for group in state["param_groups"])
            for state in (saved["optimizer"], self.optimizer.state_dict())
        )
        if before != now:
            raise UserError(
                f"{run}: begun by another version of avtrain, which trained {before} weight tensors of method "
                f"{self.method.name} where this one trains {now}; --resume restart begins anew"
            )

    def _require_same_fingerprints(self, run: Run, saved: Mapping[str, Any]) -> None:
        before = saved["fingerprints"] if "fingerprints" in saved else saved["ground"]  # as version 0.1 called them
        for name, value in EARLIER.items():
            if (then := before.get(name, value)) != (now := self.fingerprints.get(name, value)):
                raise UserError(
                    f"{run}: begun by another version of avtrain, with {name}: {then}; here it is {now}. "
                    "--resume restart begins anew, or finish it with the avtrain that began it"
                )
        # earlier versions did not record all of these
        if changed := [name for name, value in self.fingerprints.items() if before.get(name, value) != value]:
            raise UserError(
                f"{run}: {' and '.join(changed)} changed since this run was begun. Put them back (the data set, a file "
                "of weights, the run of --init-from), or --resume restart to begin anew"
            )


def fingerprints_of(
    method: Method, content: Mapping[str, str], initial: Mapping[str, Tensor] | None = None
) -> dict[str, str]:
    """Return digests of everything that training reads and does not change.

    Args:
        method: before its first step.
        content: digest of the rows of each split, by `content_of`.
        initial: weights of the run that training starts from; None: there is no such run.
    """
    found = {f"{split} data": digest for split, digest in content.items()}
    if initial is not None:
        found[INITIAL_WEIGHTS] = digest_weights(initial)
    now = {
        FRONTEND: str(version_of(method.backbone.frontend)),
        AUGMENTATION: str(method.spectrogram_augmentation(seed=0) or EARLIER[AUGMENTATION]),
    }
    found |= {name: value for name, value in now.items() if value != EARLIER[name]}
    return found | {FROZEN: digest_weights(frozen_parameters(method))}


def trained_state(method: Method) -> dict[str, Tensor]:
    """Return parameters and buffers that training changes; frozen ones, often nearly all, are loaded anew on resume."""
    frozen = frozen_parameters(method)
    return {name: value for name, value in method.state_dict().items() if name not in frozen}


def frozen_parameters(method: Method) -> dict[str, Tensor]:
    """Return the parameters that training does not change."""
    return {name: weight for name, weight in method.named_parameters() if not weight.requires_grad}
