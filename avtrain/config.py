"""What a run is decided by, checked before anything is loaded."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avtrain.options import parse_options

if TYPE_CHECKING:
    from avtrain.methods.base import Method

PARTS = ("method", "backbone")
Selection = Literal["validation", "test"]  # the split that the best epoch is chosen on
SELECTED_ON_TEST = "selected on test"  # what every table says then


def selection_suffix(selected_on: str) -> str:
    """What is added to the names of folders and rows, so that both kinds never share one."""
    return "" if selected_on == "validation" else "-" + SELECTED_ON_TEST.replace(" ", "-")


class FitConfig(Frozen):
    """All that decides the weights of a run, but for the data."""

    method: str = "finetune"
    backbone: str = "dual"
    method_options: dict[str, Any] = {}
    backbone_options: dict[str, Any] = {}
    train_on: Literal["scenarios", "clean"] = "scenarios"
    select_on: Selection = Field("validation", description="test: only to show what the published habit is worth")
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd: with a momentum of 0.9")
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="part of all steps in which the learning rate rises")
    draws: int = Field(0, ge=0, description="of each corruption, then they repeat; 0: a fresh one each epoch")
    average_from: int = Field(0, ge=0, description="weights are the mean over the epochs from this one on; 0: the last")
    checkpointing: bool = Field(False, description="encoder blocks are computed again for gradients: less memory")
    compile: bool = Field(False, description="torch.compile for encoder blocks: a minute at first, for speed on CUDA")
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    init_from: str | None = None


class RunConfig(Frozen):
    """A run's `config.yaml`: the fit, and the manifest it was fitted to."""

    fit: FitConfig
    manifest: Manifest

    def as_yaml(self) -> str:
        """YAML that reads back equal."""
        written = {"fit": self.fit.model_dump(), "manifest": self.manifest.as_yaml()}
        return yaml.safe_dump(written, sort_keys=False, allow_unicode=True)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`--set key=value` options, YAML values; `method.x` and `backbone.x` go to the parts they name.

    Raises UsageError that names everything that is not of that form.
    """
    wrong = [setting for setting in settings if "=" not in setting]
    if wrong:
        raise UsageError(f"--set {' '.join(wrong)}: write key=value, such as --set method.length=16")
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        part, dot, option = key.partition(".")
        if dot and part in PARTS:
            parsed.setdefault(f"{part}_options", {})[option] = yaml_value(text)
        else:
            parsed[key] = yaml_value(text)
    return parsed


def _defaults(method: "type[Method]") -> dict[str, Any]:
    return {
        "lr": method.default_lr,
        "epochs": method.default_epochs,
        "optimizer": method.default_optimizer,
        "weight_decay": method.default_weight_decay,
        "draws": method.default_draws,
        "average_from": method.default_average_from,
    }


def yaml_value(text: str) -> Any:
    """A YAML scalar; what YAML cannot read is taken as it stands, such as a Windows path."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def fit_config(options: Mapping[str, Any]) -> FitConfig:
    """Options given by hand, completed with the method's own defaults and checked to the last part.

    Raises UsageError; unknown options of method and backbone are named together with those of the fit.
    """
    from avtrain.backbones.registry import backbone_config
    from avtrain.methods.registry import find_method, method_config

    given = {key: value for key, value in options.items() if value is not None}
    method = find_method(str(given.get("method", FitConfig.model_fields["method"].default)))
    problems: list[str] = []
    config = None
    try:
        config = parse_options(FitConfig, {**_defaults(method), **given}, "fit")
    except UsageError as error:
        problems.append(str(error))
    for check, part in ((method_config, "method"), (backbone_config, "backbone")):
        name = str(given.get(part, FitConfig.model_fields[part].default))
        try:
            check(name, given.get(f"{part}_options", {}))
        except UsageError as error:
            problems.append(str(error))
    if problems or config is None:
        raise UsageError("\n".join(problems))
    return config
