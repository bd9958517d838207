"""The versions and the hardware that a run was computed with."""

import platform
from importlib.metadata import version
from typing import Any

import torch

from avbuild.dataset.build_record import library_versions


def environment(device: torch.device) -> dict[str, Any]:
    """Return the versions and the hardware that measurements depend on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    torch_versions = {package: version(package) for package in ("torch", "torchvision", "torchaudio", "safetensors")}
    return {
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "versions": library_versions() | torch_versions,
    }
