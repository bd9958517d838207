"""The folder of a run: configuration, measurements, weights, and the state to continue from.

config.yaml       the complete configuration and the manifest
env.json          versions and device
metrics.jsonl     one line an epoch
tensorboard/      event files; tensorboard --logdir runs/ shows them
model.safetensors weights of the best epoch; frozen.safetensors beside it has those that many runs share
state.pt          what a stopped training continues from: weights, optimizer, random state, epoch; deleted at the end
masks.parquet     which modalities the samples of training and validation lacked, where some were missing
result.json       written last: the run is finished; with the temperatures that calibrate its probabilities
eval/D.json       scores of `avtrain eval`, one file for each scenario and inference mode (D.oracle.json); those under
                  another manifest are in a folder of its name; D.predictions.parquet beside it: a row a test sample
adapted/          the same with an adapter, a folder for each adapter, stream and batch size (align-one-64)
source.safetensors statistics of the training features, which adapters compare a stream with

Each holds its own digest, by sealed.py, and is checked when it is read.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
import yaml
from pydantic import ValidationError
from torch import Tensor

from avbuild.dataset.storage import partial_name, remove_abandoned, whole_file, write_whole
from avbuild.errors import UserError
from avtrain.config import RunConfig
from avtrain.runs.environment import environment
from avtrain.runs.frozen_weights import FILE as FROZEN_FILE
from avtrain.runs.metrics_line import read_metrics_line
from avtrain.runs.sealed import (
    ADVICE,
    damaged,
    open_archive,
    open_object,
    open_tensors,
    open_text,
    sealed_object,
    sealed_tensors,
    sealed_text,
)
from avtrain.runs.weights import require_finite

ADAPTED = "adapted"  # folder of the scores with adapters


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
            content = yaml.safe_load(open_text(path.read_bytes(), str(path)))
            if isinstance(content, dict) and "model" in content:  # as runs/outside.py writes it
                raise UserError(
                    f"{self.folder}: holds the scores of an outside model, which avtrain has not trained and cannot "
                    "load; avtrain eval --model MODULE:NAME MANIFEST scores one"
                )
            return RunConfig.read(content)
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
        self.write_config(config)
        self.write_json("env.json", environment(device))

    def write_config(self, config: RunConfig) -> None:
        """Write the configuration."""
        self.write_bytes("config.yaml", sealed_text(config.as_yaml()).encode())

    def log(self, *metrics: Mapping[str, Any]) -> None:
        """Append the lines of epochs; lines of the first of them or later, left by a stopped start, are removed.

        Args:
            metrics: at least one line, in order, with the key `epoch`.
        """
        kept = [line for line in self.metrics() if line["epoch"] < metrics[0]["epoch"]]
        lines = "".join(json.dumps(sealed_object(line)) + "\n" for line in [*kept, *metrics])
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
        frozen = self.folder / FROZEN_FILE
        if frozen.exists():
            weights = {**open_tensors(frozen), **weights}
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

    def read_json(self, name: str, advice: str = ADVICE) -> dict[str, Any]:
        """Read a JSON file of the folder.

        Args:
            name: of the file.
            advice: what to do where it is damaged, for the error.

        Raises:
            UserError: it is absent or damaged.
        """
        path = self.folder / name
        if not path.exists():
            raise damaged(str(path), "the file is missing", advice)
        return open_object(path.read_bytes(), str(path), advice)

    def evaluations(self) -> list[dict[str, Any]]:
        """Return the scores that `avtrain eval` wrote, in order of scenario name."""
        return self._read_scores("eval")

    def adapted_evaluations(self) -> list[dict[str, Any]]:
        """Return the scores that `avtrain eval --adapt` wrote, in order of adapter, stream and scenario name."""
        return self._read_scores(ADAPTED)

    def _read_scores(self, folder: str) -> list[dict[str, Any]]:
        names = [path.relative_to(self.folder) for path in sorted((self.folder / folder).rglob("*.json"))]
        advice = f"Run avtrain eval {self.folder} again, which writes it anew"
        return [self.read_json(str(path), advice) for path in names if not path.name.startswith(".partial-")]

    def remove_abandoned(self, nobody_else_writes: bool = False) -> None:
        """Remove unfinished files that killed processes of this machine left.

        Args:
            nobody_else_writes: whether this process holds the lock of the run.  Unfinished files that name no process,
                as version 0.1 wrote them, are removed too.
        """
        for folder in (self.folder, *(self.folder / "eval").glob("**/"), *(self.folder / ADAPTED).glob("**/")):
            remove_abandoned(folder, 0.0 if nobody_else_writes else None)

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
