"""The configuration of a run, and how options given by hand are checked against a model."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from avbuild.corruptions.plugin_record import CorruptionRecord, record_corruptions
from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.plugins.record import PluginRecord, record_of
from avbuild.plugins.registry import defined
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.recorded_plugins import recorded_in_run

Config = TypeVar("Config", bound=Frozen)
Owner = Literal["method", "backbone"]
Defaults = dict[Owner, dict[str, Any]]  # owner -> option -> value
OptionPlace = tuple[int | str, ...]  # keys from the outermost option inwards
Selection = Literal["validation", "test"]  # the split that the best epoch is chosen on
SELECTED_ON_TEST = "selected on test"  # the mark of a run, a score or a table whose best epoch was chosen on test


class WrongOptions(UsageError):
    """Options that do not fit a model; `problems` has the place of each, and what is wrong with it."""

    def __init__(self, owner: str, problems: list[tuple[OptionPlace, str]]) -> None:
        lines = [f"  {'.'.join(map(str, place))}: {what}" for place, what in problems]
        super().__init__("\n".join([f"{owner}: {len(problems)} problems", *lines]))
        self.problems = problems


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
    """The content of a run's `config.yaml`: the options of the fit, and the manifest of its data.

    `folds` are all folds of a cross-validation, of which the manifest's split tests one; None for a single run.
    `defaults` are the options of the method and the backbone that were not given, as the version that began the run
    had them: later versions may have others.
    """

    fit: FitConfig
    manifest: Manifest
    plugins: tuple[CorruptionRecord | PluginRecord, ...] = ()  # of its method, backbone and corruptions
    folds: tuple[int, ...] | None = None
    defaults: Defaults = {}

    @property
    def method_options(self) -> dict[str, Any]:
        """The options of the method that the run was begun with, whether given or not."""
        return {**self.defaults.get("method", {}), **self.fit.method_options}

    @property
    def backbone_options(self) -> dict[str, Any]:
        """The options of the backbone that the run was begun with, whether given or not."""
        return {**self.defaults.get("backbone", {}), **self.fit.backbone_options}

    def with_plugins(self) -> "RunConfig":
        """Return the configuration with a record of every plug-in that it uses, as they are loaded here."""
        named = (("avtrain.methods", self.fit.method), ("avtrain.backbones", self.fit.backbone))
        found = [(group, name, defined(group).get(name)) for group, name in named]
        models = [record_of(group, name, definition.source) for group, name, definition in found if definition]
        ops = record_corruptions(op.corruption for scenario in self.manifest.scenarios.values() for op in scenario.ops)
        return self.model_copy(update={"plugins": (*models, *ops)})

    @property
    def model_plugins(self) -> tuple[PluginRecord, ...]:
        """Plug-ins of the method and the backbone, without which the model cannot be built."""
        return tuple(record for record in self.plugins if not isinstance(record, CorruptionRecord))

    @classmethod
    def read(cls, written: Any) -> "RunConfig":
        """Return the configuration that a run's parsed `config.yaml` holds; its plug-ins may be absent here.

        Raises:
            ValidationError: it is not one.
        """
        config: RunConfig = cls.model_validate(written, context={"plugins": lambda: recorded_in_run(written)})
        return config

    @property
    def fold(self) -> int | None:
        """The fold that a run of a cross-validation is tested on; None for a single run."""
        return self.manifest.split.fold.test if self.folds and self.manifest.split.fold else None

    def as_yaml(self) -> str:
        """Return YAML that reads back equal."""
        written: dict[str, Any] = {"fit": self.fit.model_dump(), "manifest": self.manifest.as_yaml()}
        if self.plugins:
            written["plugins"] = [record.model_dump(mode="json") for record in self.plugins]
        if self.folds is not None:
            written["folds"] = list(self.folds)
        if self.defaults:
            written["defaults"] = self.defaults
        return yaml.safe_dump(written, sort_keys=False, allow_unicode=True)


def selection_suffix(selected_on: str) -> str:
    """Return what is added to names of folders and table rows: nothing, or a mark where test selects.

    Args:
        selected_on: `validation` or `test`.
    """
    return "" if selected_on == "validation" else "-" + SELECTED_ON_TEST.replace(" ", "-")


def parse_options(
    model: type[Config], options: Mapping[str, object], owner: str, defaults: Mapping[str, object] | None = None
) -> Config:
    """Build a configuration from options given by hand.

    Args:
        model: the class of the configuration.
        options: values by name.
        owner: what the options belong to, for the error, such as `method prompt`.
        defaults: values in place of the defaults of the class; they do not count as given.

    Raises:
        WrongOptions: names every unknown option and every bad value.
    """
    known = defaults or {}
    try:
        parsed = model.model_validate({**known, **options})
    except ValidationError as error:
        raise WrongOptions(owner, [_problem(model, found) for found in error.errors()]) from None
    parsed.model_fields_set.difference_update(known.keys() - options.keys())
    return parsed


def _problem(model: type[Frozen], found: ErrorDetails) -> tuple[OptionPlace, str]:
    if found["type"] == "extra_forbidden":
        key, allowed = str(found["loc"][-1]), ", ".join(model.model_fields) or "none"
        return found["loc"], f"unknown option{nearest(key, model.model_fields)}; allowed: {allowed}"
    return found["loc"], f"{found['msg'][0].lower()}{found['msg'][1:]}, not {found['input']!r}"
