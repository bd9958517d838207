"""The folder of an outside model: scores of a model that avtrain has not trained, beside the runs of `avtrain fit`.

config.yaml  the name of the model and what is known of it, and the manifest; no configuration of a training
env.json     versions and device
eval/        scores, as in the folder of a run
"""

import shutil
from pathlib import Path

import torch
import yaml
from pydantic import ValidationError

from avbuild.dataset.storage import write_whole, writing
from avbuild.errors import UserError
from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avtrain.runs.environment import environment
from avtrain.runs.folder import Run
from avtrain.runs.sealed import open_text, sealed_text


class OutsideModel(Frozen):
    """The facts known of a model that avtrain has not trained.

    Attributes:
        name: in tables.
        source: module and class or function, as Python names them.
        parameters: number of all its parameters; None where it is no PyTorch module.
        outputs: logits or probabilities.
        seed: number that tells trainings of one model apart, over which tables take means.
    """

    name: str
    source: str
    parameters: int | None
    outputs: str
    seed: int


class OutsideConfig(Frozen):
    """The content of the `config.yaml` of an outside model."""

    model: OutsideModel
    manifest: Manifest


def outside_config(run: Run) -> OutsideConfig | None:
    """Return the configuration of an outside model; None where the folder holds anything else, or nothing."""
    path = run.folder / "config.yaml"
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(open_text(path.read_bytes(), str(path)))
        return OutsideConfig.model_validate(content) if "model" in content else None
    except (UserError, ValidationError, yaml.YAMLError, TypeError):  # reading it as a run tells what is wrong with it
        return None


def require_free(folder: Path) -> None:
    """Raise UserError where a folder holds anything but an outside model."""
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and outside_config(Run(folder)) is None:
        raise UserError(f"{folder}: holds something else than scores of an outside model; choose another name or out")


def begin_outside(run: Run, config: OutsideConfig, device: torch.device) -> None:
    """Write the folder of an outside model, without scores; those of an earlier one of this name are removed.

    Args:
        run: its folder, checked by `require_free`.
        config: what is known of the model.
        device: that it ran on.
    """
    if (run.folder / "eval").exists():
        with writing(run.folder):
            shutil.rmtree(run.folder / "eval")
    written = yaml.safe_dump(
        {"model": config.model.model_dump(), "manifest": config.manifest.as_yaml()}, sort_keys=False, allow_unicode=True
    )
    write_whole(run.folder / "config.yaml", sealed_text(written))
    run.write_json("env.json", environment(device))
