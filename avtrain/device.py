"""The machine that a run is computed on: device, precision, loading, feature cache."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from avbuild.errors import UsageError
from avtrain.data.batch_source import LoaderOptions
from avtrain.data.cache_uses import CacheUser
from avtrain.data.row_cache import RowCache
from avtrain.distributed.process_group import rank_device, runs_under_torchrun
from avtrain.distributed.row_sharing import broadcast_from_rank0, is_rank0, local_row_share


@dataclass(frozen=True)
class Machine:
    """The machine that a run is computed on; decides speed and rounding, nothing else.

    Attributes:
        device: of the model.
        workers: number of processes that load data; 0: this one.
        cache: folder for the tokens of frozen backbones and copies of rows; None: tokens are computed anew in each
            epoch, and copies are temporary.
        run: that the cache is used for; None: nobody asks.
        save_every: seconds between two savings of a training; 0: after each epoch.
        frozen_weights: folder that frozen weights are stored in once for many runs; None: each run has its own.
    """

    device: torch.device
    workers: int = 0
    cache: Path | None = None
    run: Path | None = None
    save_every: float = 0.0
    frozen_weights: Path | None = None

    @property
    def cache_user(self) -> CacheUser | None:
        """The record of the cache that uses are noted in; rank 0 writes it."""
        if self.cache is None or self.run is None or not is_rank0():
            return None
        return CacheUser(self.cache, self.run)

    def autocast(self, precision: str) -> AbstractContextManager[None]:
        """Return a context that computes in bfloat16 where the precision is `bf16`, and changes nothing for `fp32`."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16")

    @property
    def loader_options(self) -> LoaderOptions:
        """Options of loading for this device and rank."""
        return LoaderOptions(self.workers, pin=self.device.type == "cuda", share=local_row_share())

    @property
    def row_cache(self) -> RowCache:
        """The cache that rows are copied to, so that they are read by index: in the cache folder; rank 0 writes."""
        return RowCache(None if self.cache is None else self.cache / "rows", broadcast_from_rank0, self.cache_user)

    def reset_peak_memory(self) -> None:
        """Start a new measurement of peak memory on CUDA; the peak of a CPU process cannot be reset."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_memory(self) -> dict[str, int | str] | None:
        """Return the peak memory in `bytes`, and what it was measured `of`.

        On CUDA that is the allocator since `reset_peak_memory`; on a CPU it is the whole process since its start.
        None where the system does not count it.
        """
        if self.device.type == "cuda":
            return {"bytes": torch.cuda.max_memory_allocated(self.device), "of": "cuda allocator"}
        if sys.platform == "win32":
            return None
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return {"bytes": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "of": "process"}


def pick_device(name: str) -> torch.device:
    """Return the device for the value of --device; `auto` is CUDA where available, else the CPU.

    Raises:
        UsageError: the device is unknown or not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") and not name.startswith("cuda:"):
        raise UsageError(f"--device {name}: allowed are auto, cpu, cuda, cuda:N")
    if name != "cpu" and not torch.cuda.is_available():
        raise UsageError(f"--device {name}: no CUDA device is available here; use --device cpu or auto")
    return rank_device(name) if runs_under_torchrun() else torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """Return `fp32` or `bf16` for the value of --precision.

    Args:
        name: `fp32`, `bf16` or `auto`, which is bf16 on a CUDA device that supports it.
        device: of the model.

    Raises:
        UsageError: the precision is unknown.
    """
    allowed: Sequence[str] = ("auto", "fp32", "bf16")
    if name not in allowed:
        raise UsageError(f"--precision {name}: allowed are {', '.join(allowed)}")
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return name
