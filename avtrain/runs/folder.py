"""The folder of a run: configuration, measurements, weights, and the state to continue from.

config.yaml       the complete configuration and the manifest
env.json          versions and device
metrics.jsonl     one line an epoch
tensorboard/      event files; tensorboard --logdir runs/ shows them
model.safetensors weights of the best epoch
state.pt          what a stopped training continues from: weights, optimizer, random state, epoch; deleted at the end
result.json       written last: the run is finished
eval/D.json       scores of `avtrain eval`, one file for each scenario and inference mode (D.oracle.json); those under
                  another manifest are in a folder of its name
"""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import torch
import yaml
from safetensors.torch import load_file, save
from torch import Tensor

from avbuild.dataset.build_record import library_versions
from avbuild.dataset.storage import whole_file, write_whole
from avbuild.errors import UserError
from avtrain.config import RunConfig


class Run:
    """The folder of a run on disk.  Every file is written completely or not at all.

    Attributes:
        folder: its path.
        writes: whether this process writes files; of several ranks only rank 0 does.
    """

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def finished(self) -> bool:
        """True once training has reached its last epoch."""
        return (self.folder / "result.json").exists()

    @property
    def begun(self) -> bool:
        """True where the folder holds a run, finished or not."""
        return (self.folder / "config.yaml").exists()

    def config(self) -> RunConfig:
        """Return the run's configuration.

        Raises:
            UserError: the folder holds no run.
        """
        path = self.folder / "config.yaml"
        if not path.exists():
            raise UserError(f"{self.folder}: no run here (no config.yaml); avtrain fit makes one")
        return RunConfig.model_validate(yaml.safe_load(path.read_text()))

    def modalities(self) -> tuple[str, ...]:
        """Return the modalities that a finished run was trained on, in order; early runs name none and had two."""
        return tuple(self.read_json("result.json").get("modalities", ("audio", "image")))

    def begin(self, config: RunConfig, device: torch.device) -> None:
        """Write the configuration and the environment."""
        self._write_bytes("config.yaml", config.as_yaml().encode())
        self.write_json("env.json", environment(device))

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Append the line of an epoch; lines of that epoch or later, left by a stopped start, are removed.

        Args:
            metrics: with the key `epoch`.
        """
        kept = [line for line in self.metrics() if line["epoch"] < metrics["epoch"]]
        lines = "".join(json.dumps(line) + "\n" for line in [*kept, metrics])
        self._write_bytes("metrics.jsonl", lines.encode())

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of all epochs, as this version writes them."""
        path = self.folder / "metrics.jsonl"
        return [read_metrics_line(line) for line in path.read_text().splitlines()] if path.exists() else []

    def save_weights(self, state: Mapping[str, Tensor], name: str = "model.safetensors") -> None:
        """Write weights to a safetensors file of the folder."""
        self._write_bytes(name, save({key: value.cpu().contiguous() for key, value in state.items()}))

    def weights(self) -> dict[str, Tensor]:
        """Return the weights of the best epoch, on the CPU.

        Raises:
            UserError: no epoch is finished yet.
        """
        path = self.folder / "model.safetensors"
        if not path.exists():
            raise UserError(f"{self.folder}: no weights yet; run the same avtrain fit again to finish it")
        return load_file(path)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write `state.pt`."""
        if self.writes:
            with whole_file(self.folder / "state.pt") as file:
                _save(dict(state), file)

    def state(self) -> dict[str, Any] | None:
        """Return the content of `state.pt`, on the CPU; None before the first epoch is finished, and after the last."""
        path = self.folder / "state.pt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `result.json` and delete `state.pt`, which is several times the size of the weights."""
        self.write_json("result.json", result)
        if self.writes:
            (self.folder / "state.pt").unlink(missing_ok=True)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file of the folder."""
        self._write_bytes(name, (json.dumps(content, indent=1) + "\n").encode())

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder."""
        content: dict[str, Any] = json.loads((self.folder / name).read_text())
        return content

    def evaluations(self) -> list[dict[str, Any]]:
        """Return the scores that `avtrain eval` wrote, in order of scenario name."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "eval").rglob("*.json"))]

    def _write_bytes(self, name: str, data: bytes) -> None:
        if self.writes:
            write_whole(self.folder / name, data)


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # torch hides the reason when it closes the file that it cannot write
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def read_metrics_line(text: str) -> dict[str, Any]:
    """Parse a line of `metrics.jsonl`; a line written by version 0.1 is returned with the keys of this version.

    `selection` holds the accuracy per scenario on the split named by `selected_on`.  Version 0.1 called it
    `validation`, whichever the split.
    """
    line: dict[str, Any] = json.loads(text)
    return {"selection" if key == "validation" else key: value for key, value in line.items()}


def backbone_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a run's backbone, by the backbone's own names."""
    prefix = "backbone."
    return {key[len(prefix) :]: value for key, value in weights.items() if key.startswith(prefix)}


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


def find_runs(places: list[Path]) -> list[Run]:
    """Find the runs at or below some folders.

    Args:
        places: runs, or folders of runs.

    Returns:
        The runs of each place in order of path, none twice.

    Raises:
        UserError: a place holds no run.
    """
    runs: dict[Path, Run] = {}
    for place in places:
        found = sorted({path.parent for path in place.rglob("config.yaml")})
        if not found:
            raise UserError(f"{place}: no run here; avtrain fit makes runs, each a folder with a config.yaml")
        runs |= {folder: Run(folder) for folder in found}
    return list(runs.values())
