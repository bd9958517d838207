"""The folder of a run: configuration, measurements, weights, and the state to continue from.

config.yaml       the complete configuration and the manifest
env.json          versions and device
metrics.jsonl     one line an epoch
tensorboard/      event files; tensorboard --logdir runs/ shows them
model.safetensors weights of the best epoch
state.pt          what a stopped training continues from: weights, optimizer, random state, epoch; deleted at the end
result.json       written last: the run is finished
eval/D.json       scores of `avtrain eval`, one file for each scenario and inference mode (D.oracle.json); those under
                  another manifest are in a folder of its name; D.predictions.parquet beside it: a row a test sample

Each holds its own digest, by sealed.py, and is checked when it is read.
"""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import torch
import yaml
from pydantic import ValidationError
from torch import Tensor

from avbuild.dataset.build_record import library_versions
from avbuild.dataset.storage import partial_name, remove_abandoned, whole_file, write_whole
from avbuild.errors import UserError
from avtrain.config import RunConfig
from avtrain.runs.sealed import (
    damaged,
    open_archive,
    open_object,
    open_tensors,
    open_text,
    sealed_object,
    sealed_tensors,
    sealed_text,
)


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
            UserError: the folder holds no run, or its configuration is damaged.
        """
        path = self.folder / "config.yaml"
        if not path.exists():
            raise UserError(f"{self.folder}: no run here (no config.yaml); avtrain fit makes one")
        try:
            return RunConfig.model_validate(yaml.safe_load(open_text(path.read_bytes(), str(path))))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise damaged(str(path), f"not the configuration of a run: {place}: {first['msg']}") from error
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            raise damaged(str(path), f"not YAML: {str(error).splitlines()[0]}") from error

    def modalities(self) -> tuple[str, ...]:
        """Return the modalities that a finished run was trained on, in order; early runs name none and had two."""
        return tuple(self.read_json("result.json").get("modalities", ("audio", "image")))

    def begin(self, config: RunConfig, device: torch.device) -> None:
        """Write the configuration and the environment."""
        self.write_bytes("config.yaml", sealed_text(config.as_yaml()).encode())
        self.write_json("env.json", environment(device))

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Append the line of an epoch; lines of that epoch or later, left by a stopped start, are removed.

        Args:
            metrics: with the key `epoch`.
        """
        kept = [line for line in self.metrics() if line["epoch"] < metrics["epoch"]]
        lines = "".join(json.dumps(sealed_object(line)) + "\n" for line in [*kept, metrics])
        self.write_bytes("metrics.jsonl", lines.encode())

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of all epochs, as this version writes them.

        Raises:
            UserError: a line is damaged or missing.
        """
        path = self.folder / "metrics.jsonl"
        data = path.read_bytes() if path.exists() else b""
        lines = [read_metrics_line(line, f"{path} line {n}") for n, line in enumerate(data.splitlines(), 1)]
        epochs = [line["epoch"] for line in lines]
        expected = self.read_json("result.json").get("epochs", len(lines)) if self.finished else len(lines)
        if epochs != list(range(1, expected + 1)):
            raise damaged(str(path), f"its lines are of the epochs {epochs}, where 1 to {expected} are expected")
        return lines

    def save_weights(self, state: Mapping[str, Tensor], name: str = "model.safetensors") -> None:
        """Write weights to a safetensors file of the folder."""
        self.write_bytes(name, sealed_tensors(state))

    def weights(self) -> dict[str, Tensor]:
        """Return the weights of the best epoch, on the CPU.

        Raises:
            UserError: no epoch is finished yet, the file is damaged, or training diverged.
        """
        path = self.folder / "model.safetensors"
        if not path.exists() and (self.finished or (self.folder / "state.pt").exists()):
            raise damaged(str(path), "the file is missing")
        if not path.exists():
            raise UserError(f"{self.folder}: no weights yet; run the same avtrain fit again to finish it")
        weights = open_tensors(path)
        require_finite(weights, str(path))
        return weights

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write `state.pt`."""
        if self.writes:
            with whole_file(self.folder / "state.pt", partial_name("state.pt", os.getpid())) as file:
                _save(dict(state), file)

    def state(self) -> dict[str, Any] | None:
        """Return the content of `state.pt`, on the CPU; None before the first epoch is finished, and after the last."""
        path = self.folder / "state.pt"
        return open_archive(path) if path.exists() else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `result.json` and delete `state.pt`, which is several times the size of the weights."""
        if self.writes:
            self.write_json("result.json", {**result, "epochs": len(self.metrics())})
            (self.folder / "state.pt").unlink(missing_ok=True)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file of the folder."""
        self.write_bytes(name, (json.dumps(sealed_object(content), indent=1) + "\n").encode())

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder.  Raises UserError where it is absent or damaged."""
        path = self.folder / name
        if not path.exists():
            raise damaged(str(path), "the file is missing")
        return open_object(path.read_bytes(), str(path))

    def evaluations(self) -> list[dict[str, Any]]:
        """Return the scores that `avtrain eval` wrote, in order of scenario name."""
        names = [path.relative_to(self.folder) for path in sorted((self.folder / "eval").rglob("*.json"))]
        return [self.read_json(str(path)) for path in names if not path.name.startswith(".partial-")]

    def remove_abandoned(self) -> None:
        """Remove unfinished files that killed processes of this machine left."""
        for folder in (self.folder, *(self.folder / "eval").glob("**/")):
            remove_abandoned(folder)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file of the folder."""
        if self.writes:
            path = self.folder / name
            write_whole(path, data, partial_name(path.name, os.getpid()))


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # torch hides the reason when it closes the file that it cannot write
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def read_metrics_line(data: bytes, origin: str = "metrics.jsonl") -> dict[str, Any]:
    """Parse a line of `metrics.jsonl`; a line written by version 0.1 is returned with the keys of this version.

    `selection` holds the accuracy per scenario on the split named by `selected_on`.  Version 0.1 called it
    `validation`, whichever the split.

    Args:
        data: of the line.
        origin: file and line, for the error.

    Raises:
        UserError: it is damaged.
    """
    line = open_object(data, origin)
    if not isinstance(line.get("epoch"), int):
        raise damaged(origin, "it names no epoch")
    return {"selection" if key == "validation" else key: value for key, value in line.items()}


def require_finite(weights: Mapping[str, Tensor], origin: str) -> None:
    """Raise UserError where a weight is not a number or infinite.  origin: of the weights, for the error."""
    finite = [value.isfinite().all() for value in weights.values() if value.is_floating_point()]
    if finite and not torch.stack(finite).all():
        raise UserError(
            f"{origin}: weights are not finite: training diverged. Train again with a lower --lr and --resume restart"
        )


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
