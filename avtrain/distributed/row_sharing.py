"""How several processes share a training so that it comes out as in one.

Each loads its own rows of every batch and fetches the others'; then all have the whole batch, and draw the same random
numbers for it.  What is costly and treats each row by itself (`Method.by_rows`) each does for its own rows, and the
results are put together; the loss is that of the whole batch in every process.  Gradients are averaged: what came by
way of a process's own rows counts as often as there are processes, so that the mean is the sum over all rows, and what
every process computed for all rows stays what it is.

In a single process all of this does nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avtrain.data.batch import Batch
from avtrain.data.row_share import ALL_ROWS, RowShare

T = TypeVar("T")


def own_row_share() -> RowShare:
    """This process's."""
    return RowShare(dist.get_rank(), dist.get_world_size()) if _several() else ALL_ROWS


def is_rank0() -> bool:
    """Whether this process is the one that writes and decides."""
    return not _several() or dist.get_rank() == 0


def broadcast_from_rank0(decide: Callable[[], T]) -> T:
    """What the first process finds, in all of them.  All wait for it."""
    if not _several():
        return decide()
    found = [decide() if is_rank0() else None]
    dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
    return found[0]  # type: ignore[return-value]  # what the first one found


@torch.no_grad()
def broadcast_weights(model: nn.Module) -> None:
    """Every process has the first one's weights."""
    if _several():
        for value in model.state_dict().values():
            dist.broadcast(value, src=0)


def gather_rows(batch: Batch) -> Batch:
    """A batch of which each process has loaded its own rows, with the rows of all."""
    if not _several():
        return batch
    # nobody else has a row that is a process's own: a sum with zeros
    return replace(
        batch,
        inputs={m: _sum(x) for m, x in batch.inputs.items()},
        present={m: _sum(x.to(torch.uint8)) > 0 for m, x in batch.present.items()},
    )


def distribute_calls(model: nn.Module, calls: Iterable[str]) -> None:
    """From now on each process does these calls of a model for its own rows.  calls: such as `backbone.encode`."""
    if _several():
        for call in calls:
            place, _, name = call.rpartition(".")
            owner = model.get_submodule(place)
            setattr(owner, name, rowwise(getattr(owner, name)))


def rowwise(call: Callable[..., T]) -> Callable[..., T]:
    """A call done for this process's own rows, its results put together with those of the others, in order.

    call: of a Batch and what else it needs; its tensors, like those it returns, have a row a sample, and no row
    influences another.  It may not itself contain a call that is shared out.
    """
    if not _several():
        return call

    def shared(*arguments: Any) -> T:
        n = next(len(argument) for argument in arguments if isinstance(argument, Batch))
        own = own_row_share().rows(n)
        done = own if own else range(1)  # with nothing of its own it still has to know what results look like
        with _own_draws():
            mine = call(*(_rows(argument, slice(done.start, done.stop)) for argument in arguments))
        found: T = _each(lambda x: _put_together(x[: len(own)], own, n), mine)
        return found

    return shared


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean over the processes in place of each gradient; a weight without one in all of them stays without."""
    if not _several():
        return
    weights = list(parameters)
    used = weights[0].new_tensor([float(weight.grad is not None) for weight in weights])
    parts = [(torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten() for weight in weights]
    *sums, counts = torch.split(_sum(torch.cat([*parts, used])), [*(len(part) for part in parts), len(used)])
    unused = [weight.grad is None for weight in weights]
    nowhere = (counts == 0).tolist() if any(unused) else unused  # to read it waits for the device, so only if needed
    for weight, total, skip in zip(weights, sums, nowhere, strict=True):
        if not skip:
            weight.grad = (total / dist.get_world_size()).view_as(weight)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def _sum(value: Tensor) -> Tensor:
    total = value.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _put_together(mine: Tensor, own: range, n: int) -> Tensor:
    """The rows of all processes; a gradient flows to one's own.  mine: [own rows, ...].  Returns [n, ...]."""
    world = dist.get_world_size()
    whole = mine.new_zeros(n, *mine.shape[1:])
    whole[own.start : own.stop] = mine.detach()
    whole = _sum(whole)
    if not mine.requires_grad:
        return whole
    passed = mine.view_as(mine)  # the hook must not see what reaches `mine` by other ways
    # of which the mean is taken later
    passed.register_hook(lambda gradient: gradient * world)  # type: ignore[no-untyped-call]
    return torch.cat([whole[: own.start], passed, whole[own.stop :]])


@contextmanager
def _own_draws() -> Iterator[None]:
    """What is drawn inside, such as dropout's masks, differs between processes; behind it all draw alike again."""
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = [torch.cuda.current_device()] if in_use else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(torch.randint(2**40, ())) + dist.get_rank())
        before = _random_state(devices)
        yield
        drawn = not torch.equal(_random_state(devices), before)
    if drawn:
        torch.rand(())  # so that the next time it is other numbers


def _random_state(devices: Iterable[int]) -> Tensor:
    return torch.cat([torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)])


def _rows(value: Any, rows: slice) -> Any:
    return value.rows(rows) if isinstance(value, Batch) else _each(lambda x: x[rows], value)


def _each(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The same structure with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _each(change, part) for key, part in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return replace(value, **{name: _each(change, getattr(value, name)) for name in value.__dataclass_fields__})
    return value
