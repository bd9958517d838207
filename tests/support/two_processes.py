"""The script that test_torchrun.py runs under torchrun: `TASK FOLDER`, or `TASK` and the arguments of avtrain."""

import os
import signal
import sys
from pathlib import Path

import torch

from avbuild.errors import UserError
from avtrain import cli
from avtrain.distributed.process_group import process_group
from avtrain.distributed.row_sharing import distribute_calls, is_rank0, local_row_share
from avtrain.methods.finetune import Finetune
from avtrain.runs.folder import Run
from tests.avtrain.distributed.test_torchrun import VARIANTS, gradients, method_and_batch


def save_gradients(folder: Path) -> None:
    """Save the gradients of every method on one batch, and assert that all processes have the same."""
    with process_group("fit"):
        for number, name in enumerate(VARIANTS):
            method, batch = method_and_batch(name)
            distribute_calls(method, method.rowwise_calls)
            found = gradients(method, batch)
            own = torch.cat([x.flatten() for x in found.values() if x is not None])
            firsts = own.clone()
            torch.distributed.broadcast(firsts, src=0)
            assert torch.equal(own, firsts), f"{name}: process {local_row_share().rank} has other gradients"
            if is_rank0():
                torch.save(found, folder / f"{number}.pt")


def die_in_epoch_2() -> None:
    """Kill the first process before it saves the state of its second epoch."""
    save = Run.save_state

    def dying(self: Run, state: dict[str, object]) -> None:
        if self.writes and state["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, state)

    Run.save_state = dying  # type: ignore[method-assign,assignment]
    cli.main()


def fail_in_the_second() -> None:
    """Let the second process raise a UserError while the first one waits for it."""
    step = Finetune.training_step

    def failing(self: Finetune, *arguments: object) -> torch.Tensor:
        if local_row_share().rank == 1:
            raise UserError("this recording cannot be read")
        return step(self, *arguments)  # type: ignore[arg-type]

    Finetune.training_step = failing  # type: ignore[method-assign,assignment]
    cli.main()


if __name__ == "__main__":
    task = sys.argv.pop(1)
    if task == "gradients":
        save_gradients(Path(sys.argv[1]))
    else:
        {"die": die_in_epoch_2, "fail": fail_in_the_second}[task]()
