"""The processes that torchrun starts, one a device: joining them, their output, and how they end together.

torch is imported inside functions, since `--help` should not wait for it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from avbuild.errors import Stopped, UsageError, UserError

if TYPE_CHECKING:
    import torch
    from torch.distributed.distributed_c10d import Store

VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # set by torchrun, beside WORLD_SIZE
EXIT_DELAY = 30.0  # seconds that a failed rank waits to be ended by torchrun, while another rank reports its error


def runs_under_torchrun() -> bool:
    """Return whether this process was started as one of several.

    Raises:
        UserError: some of the environment variables that torchrun sets are absent or no numbers.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        return False
    absent = [name for name in VARIABLES if not os.environ.get(name)]
    numbers = [world, *(os.environ[name] for name in VARIABLES[:2] if name not in absent)]
    if absent or not all(number.isdigit() for number in numbers):
        problem = f"{', '.join(absent)} is absent" if absent else "WORLD_SIZE, RANK or LOCAL_RANK is no number"
        raise UserError(
            f"WORLD_SIZE is {world}, but {problem}; start with  torchrun --nproc-per-node N -m avtrain fit ...  "
            "or, for a single process, unset WORLD_SIZE"
        )
    return True


@contextmanager
def process_group(command: str | None) -> Iterator[None]:
    """Join the other processes for the duration of a block, where there are several.

    Rank 0 prints; the others are silent.  When a rank fails, all end: the first to fail raises, and the others wait
    until torchrun ends them.

    Args:
        command: name of the command that is run in the block.

    Raises:
        UsageError: the command cannot be run by several processes.
        UserError: the processes do not find each other.
    """
    if not runs_under_torchrun():
        yield
        return
    import torch.distributed as dist

    store = _join()
    try:
        if command != "fit":
            raise UsageError(f"torchrun is for avtrain fit; run avtrain {command or ''} without it")
        with _silent_unless_rank0(dist.get_rank()):
            yield
    except (Exception, KeyboardInterrupt, Stopped):
        if store.add("failed", 1) > 1:
            time.sleep(EXIT_DELAY)  # ending now would have torchrun end the rank that is about to report the error
            sys.exit(1)
        raise
    finally:
        dist.destroy_process_group()


def rank_device(name: str) -> "torch.device":
    """Return the device of this rank.

    Args:
        name: value of --device: `cpu`, or `cuda` for the GPU with the rank's number on this machine.

    Raises:
        UsageError: a GPU was asked for by number.
        UserError: the machine has fewer GPUs than processes.
    """
    import torch

    if name == "cpu":
        return torch.device("cpu")
    if name.startswith("cuda:"):
        raise UsageError(f"--device {name}: under torchrun every process has a GPU of its own; use --device cuda")
    number, available = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= available:
        raise UserError(
            f"torchrun started process {number + 1} on a machine with {available} GPUs; "
            f"use --nproc-per-node {available} or less, or --device cpu"
        )
    torch.cuda.set_device(number)  # NCCL uses the current device
    return torch.device("cuda", number)


def _join() -> "Store":
    """Initialise the default process group; returns the store that its processes share."""
    import torch
    import torch.distributed as dist
    import torch.distributed.nn  # imported after the group it would keep it alive, and its threads with it
    from torch.distributed.rendezvous import rendezvous

    # gloo moves tensors on the CPU, NCCL those on a GPU
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store: Store
        store, rank, world = next(rendezvous("env://"))
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    except (ValueError, RuntimeError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UserError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not find the others at {address}: "
            f"{error}\nThe same torchrun command must run on every node, and they must reach each other"
        ) from error
    return store


@contextmanager
def _silent_unless_rank0(rank: int) -> Iterator[None]:
    if rank == 0:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
