"""Data-parallel training whose result is that of a single process.

Every rank loads its own rows of a batch and fetches those of the others, so that all hold the whole batch and draw the
same random numbers for it.  Costly calls that treat each row by itself (`Method.rowwise_calls`) are computed by each
rank for its own rows, and their results are gathered; the loss is that of the whole batch on every rank.

Gradients are averaged over the ranks.  A gradient through a rank's own rows is first multiplied by the number of ranks,
so that the mean is the sum over all rows; gradients that every rank computed for all rows stay as they are.

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


def local_row_share() -> RowShare:
    """Return the rows that this rank loads and computes."""
    return RowShare(dist.get_rank(), dist.get_world_size()) if _is_distributed() else ALL_ROWS


def is_rank0() -> bool:
    """Return whether this process writes files and decides for all."""
    return not _is_distributed() or dist.get_rank() == 0


def broadcast_from_rank0(compute: Callable[[], T]) -> T:
    """Call a function on rank 0 and return its result on every rank; all ranks wait for it."""
    if not _is_distributed():
        return compute()
    found = [compute() if is_rank0() else None]
    dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
    return found[0]  # type: ignore[return-value]  # None only before the broadcast


def broadcast_weights(model: nn.Module) -> None:
    """Overwrite parameters and buffers of every rank with those of rank 0."""
    broadcast_values(model.state_dict().values())


@torch.no_grad()
def broadcast_values(values: Iterable[Tensor]) -> None:
    """Overwrite tensors of every rank with those of rank 0."""
    if _is_distributed():
        for value in values:
            dist.broadcast(value, src=0)


def gather_rows(batch: Batch) -> Batch:
    """Return a batch with the inputs of all rows, where each rank has loaded its own."""
    if not _is_distributed():
        return batch
    # a row is zeros on every rank but one: the sum is that row
    return replace(
        batch,
        inputs={m: _sum(x) for m, x in batch.inputs.items()},
        present={m: _sum(x.to(torch.uint8)) > 0 for m, x in batch.present.items()},
    )


def distribute_calls(model: nn.Module, calls: Iterable[str]) -> None:
    """Have each rank compute some calls of a model for its own rows only, from now on.

    Args:
        model: changed in place.
        calls: names of methods, of the model or of a submodule, such as `backbone.encode`.
    """
    if _is_distributed():
        for call in calls:
            path, _, name = call.rpartition(".")
            owner = model.get_submodule(path)
            setattr(owner, name, rowwise(getattr(owner, name)))


def rowwise(call: Callable[..., T]) -> Callable[..., T]:
    """Wrap a call so that each rank computes its own rows, and all get the results of all rows in order.

    Args:
        call: takes a Batch among its arguments.  Its tensors, and those it returns, have one row a sample, and no row
            influences another.  It must not contain another call that is distributed.
    """
    if not _is_distributed():
        return call

    def distributed(*arguments: Any) -> T:
        n = next(len(argument) for argument in arguments if isinstance(argument, Batch))
        own = local_row_share().rows(n)
        computed = own if own else range(1)  # a rank without rows computes one to learn the shapes of the results
        with _rank_random_state():
            results = call(*(_slice_rows(argument, slice(computed.start, computed.stop)) for argument in arguments))
        gathered: T = _map_tensors(lambda x: _join_rows(x[: len(own)], own, n), results)
        return gathered

    return distributed


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the ranks; a parameter without a gradient on every rank keeps none."""
    if not _is_distributed():
        return
    weights = list(parameters)
    used = weights[0].new_tensor([float(weight.grad is not None) for weight in weights])
    parts = [(torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten() for weight in weights]
    *sums, counts = torch.split(_sum(torch.cat([*parts, used])), [*(len(part) for part in parts), len(used)])
    unused = [weight.grad is None for weight in weights]
    unused_everywhere = (counts == 0).tolist() if any(unused) else unused  # reading it waits for the device
    for weight, total, skip in zip(weights, sums, unused_everywhere, strict=True):
        if not skip:
            weight.grad = (total / dist.get_world_size()).view_as(weight)


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


def _sum(value: Tensor) -> Tensor:
    """Return the sum over the ranks."""
    total = value.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _join_rows(local: Tensor, own: range, n: int) -> Tensor:
    """Return the rows of all ranks, [n, ...]; gradients flow to this rank's own.  local: [own rows, ...]."""
    world = dist.get_world_size()
    joined = local.new_zeros(n, *local.shape[1:])
    joined[own.start : own.stop] = local.detach()
    joined = _sum(joined)
    if not local.requires_grad:
        return joined
    passed = local.view_as(local)  # a view, so that the hook does not see gradients that reach `local` in other ways
    # `average_gradients` divides by the number of ranks later
    passed.register_hook(lambda gradient: gradient * world)  # type: ignore[no-untyped-call]
    return torch.cat([joined[: own.start], passed, joined[own.stop :]])


@contextmanager
def _rank_random_state() -> Iterator[None]:
    """Draw different random numbers on each rank, such as dropout masks; afterwards all ranks draw alike again."""
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = [torch.cuda.current_device()] if in_use else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(torch.randint(2**40, ())) + dist.get_rank())
        before = _random_state(devices)
        yield
        drawn = not torch.equal(_random_state(devices), before)
    if drawn:
        torch.rand(())  # advances the shared state, so that the next call draws other numbers


def _random_state(devices: Iterable[int]) -> Tensor:
    return torch.cat([torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)])


def _slice_rows(value: Any, rows: slice) -> Any:
    return value.rows(rows) if isinstance(value, Batch) else _map_tensors(lambda x: x[rows], value)


def _map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Apply a function to every tensor in a dict, a dataclass or a tensor itself; other values are returned as is."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_tensors(change, part) for key, part in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        changed = {name: _map_tensors(change, getattr(value, name)) for name in value.__dataclass_fields__}
        return replace(value, **changed)
    return value
