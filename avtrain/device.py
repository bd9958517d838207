"""Where a run computes: device, rounding, loading."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from avbuild.errors import UsageError
from avtrain.data.dataset import Loading
from avtrain.distributed.process_group import own_device, several
from avtrain.distributed.row_sharing import own_row_share


@dataclass(frozen=True)
class Machine:
    """Decides speed and rounding, nothing else.

    cache: folder for the tokens of frozen backbones; None: they are computed anew each epoch.
    """

    device: torch.device
    workers: int = 0
    cache: Path | None = None

    def autocast(self, precision: str) -> AbstractContextManager[None]:
        """bfloat16 where asked for."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16")

    @property
    def loading(self) -> Loading:
        """How batches are brought to this device."""
        return Loading(self.workers, pin=self.device.type == "cuda", share=own_row_share())

    def forget_peak_memory(self) -> None:
        """Measure from here on, where the device can; a process cannot forget what it once held."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_memory(self) -> dict[str, int | str] | None:
        """The most bytes held: of CUDA's allocator since `forget_peak_memory`, else of the process since its start.

        None where the system does not count them.
        """
        if self.device.type == "cuda":
            return {"bytes": torch.cuda.max_memory_allocated(self.device), "of": "cuda allocator"}
        if sys.platform == "win32":
            return None
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return {"bytes": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "of": "process"}


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.  Raises UsageError for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") and not name.startswith("cuda:"):
        raise UsageError(f"--device {name}: allowed are auto, cpu, cuda, cuda:N")
    if name != "cpu" and not torch.cuda.is_available():
        raise UsageError(f"--device {name}: no CUDA device is available here; use --device cpu or auto")
    return own_device(name) if several() else torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """`auto` is bf16 on a CUDA device that has it, else fp32."""
    allowed: Sequence[str] = ("auto", "fp32", "bf16")
    if name not in allowed:
        raise UsageError(f"--precision {name}: allowed are {', '.join(allowed)}")
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return name
