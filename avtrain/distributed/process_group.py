"""The processes that torchrun starts, one a device: they join, the first of them speaks, and they end together.

What they share of the work is in `sharing.py`.  torch is imported inside, since `--help` should not wait for it.
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

VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # beside WORLD_SIZE; torchrun sets them
PATIENCE = 30.0  # seconds that a process waits to be ended after another has failed


def several() -> bool:
    """Whether this process was started as one of several.  Raises UserError where not all is said about them."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        return False
    absent = [name for name in VARIABLES if not os.environ.get(name)]
    numbers = [world, *(os.environ[name] for name in VARIABLES[:2] if name not in absent)]
    if absent or not all(number.isdigit() for number in numbers):
        raise UserError(
            f"WORLD_SIZE is {world}, but of what goes with it {', '.join(absent) or 'not all is a number'}"
            f"{' is absent' if absent else ''}; start with  torchrun --nproc-per-node N -m avtrain fit ...  "
            "or, for a single process, unset WORLD_SIZE"
        )
    return True


@contextmanager
def joined(command: str | None) -> Iterator[None]:
    """Where there are several processes, they are one program in this block: the first prints, and all end at an error.

    Of several that fail, one raises; the others wait in silence until they are ended.
    Raises UsageError for a command that is not for several, UserError where they do not find each other.
    """
    if not several():
        yield
        return
    import torch.distributed as dist

    store = _join()
    try:
        if command != "fit":
            raise UsageError(f"torchrun is for avtrain fit; run avtrain {command or ''} without it")
        with _silent_unless_first(dist.get_rank()):
            yield
    except (Exception, KeyboardInterrupt, Stopped):
        if store.add("failed", 1) > 1:
            time.sleep(PATIENCE)  # to end now would have torchrun end the one that is about to say what happened
            sys.exit(1)
        raise
    finally:
        dist.destroy_process_group()


def own_device(name: str) -> "torch.device":
    """The device of one of several processes: cpu, or the GPU of its number on this machine.  name: by --device.

    Raises UsageError for a GPU of another number, UserError where there are fewer GPUs than processes.
    """
    import torch

    if name == "cpu":
        return torch.device("cpu")
    if name.startswith("cuda:"):
        raise UsageError(f"--device {name}: under torchrun every process has a GPU of its own; use --device cuda")
    number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= there:
        raise UserError(
            f"torchrun started process {number + 1} on a machine with {there} GPUs; "
            f"use --nproc-per-node {there} or less, or --device cpu"
        )
    torch.cuda.set_device(number)  # where NCCL looks
    return torch.device("cuda", number)


def _join() -> "Store":
    """Find the other processes; returns where they can leave each other notes."""
    import torch
    import torch.distributed as dist
    import torch.distributed.nn  # imported later, it would hold on to the group, whose threads then outlive it
    from torch.distributed.rendezvous import rendezvous

    # gloo moves what is on the CPU, NCCL what is on a GPU
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store: Store
        store, rank, world = next(rendezvous("env://"))
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    except (ValueError, RuntimeError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UserError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not find the others at {where}: {error}\n"
            "The same torchrun command must run on every node, and they must reach each other"
        ) from error
    return store


@contextmanager
def _silent_unless_first(rank: int) -> Iterator[None]:
    if rank == 0:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
