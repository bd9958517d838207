"""The configuration of a run, and how options given by hand are checked against a model."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest

Config = TypeVar("Config", bound=Frozen)
Selection = Literal["validation", "test"]  # the split that the best epoch is chosen on
SELECTED_ON_TEST = "selected on test"  # the mark of a run, a score or a table whose best epoch was chosen on test


class FitConfig(Frozen):
    """Everything that decides the weights of a run, except the data."""

    method: str = "finetune"
    backbone: str = "dual"
    method_options: dict[str, Any] = {}
    backbone_options: dict[str, Any] = {}
    train_on: Literal["scenarios", "clean"] = "scenarios"
    train_split: Literal["train", "train+validation"] = Field(
        "train", description="train+validation: as published code without a validation split; selects on test"
    )
    select_on: Selection = Field("validation", description="test: only to show what the published habit is worth")
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd: with a momentum of 0.9")
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps over which the learning rate rises")
    schedule: Literal["cosine", "step"] = Field(
        "cosine", description="of the learning rate, after the rise; step: a tenth from `decay_at` on"
    )
    decay_at: float = Field(0.7, gt=0, le=1, description="step: share of all epochs before the learning rate falls")
    augment: Literal["none", "crop-flip"] = Field(
        "none", description="crop-flip: a random crop, resized, and a flip of images and frames in training"
    )
    draws: int = Field(0, ge=0, description="different draws of each corruption, then they repeat; 0: new each epoch")
    average_from: int = Field(0, ge=0, description="first epoch of the mean of the weights; 0: weights of the epoch")
    checkpointing: bool = Field(False, description="recompute encoder blocks in the backward pass: less memory")
    compile: bool = Field(False, description="torch.compile encoder blocks: a minute at first, then faster on CUDA")
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    init_from: str | None = None


class RunConfig(Frozen):
    """The content of a run's `config.yaml`: the options of the fit, and the manifest of its data."""

    fit: FitConfig
    manifest: Manifest

    def as_yaml(self) -> str:
        """Return YAML that reads back equal."""
        written = {"fit": self.fit.model_dump(), "manifest": self.manifest.as_yaml()}
        return yaml.safe_dump(written, sort_keys=False, allow_unicode=True)


def selection_suffix(selected_on: str) -> str:
    """Return what is added to names of folders and table rows: nothing, or a mark where test selects.

    Args:
        selected_on: `validation` or `test`.
    """
    return "" if selected_on == "validation" else "-" + SELECTED_ON_TEST.replace(" ", "-")


def parse_options(model: type[Config], options: Mapping[str, object], owner: str) -> Config:
    """Build a configuration from options given by hand.

    Args:
        model: the class of the configuration.
        options: values by name.
        owner: what the options belong to, for the error, such as `method prompt`.

    Raises:
        UsageError: names every unknown option and every bad value.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = []
        for found in error.errors():
            key = ".".join(map(str, found["loc"]))
            if found["type"] == "extra_forbidden":
                allowed = ", ".join(model.model_fields) or "none"
                problems.append(f"{key}: unknown option{nearest(key, model.model_fields)}; allowed: {allowed}")
            else:
                problems.append(f"{key}: {found['msg'][0].lower()}{found['msg'][1:]}, not {found['input']!r}")
        raise UsageError(f"{owner}: {len(problems)} problems\n" + "\n".join(f"  {line}" for line in problems)) from None
