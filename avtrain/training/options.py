"""Options of a fit as a user gives them: `--set key=value`, the defaults of the method, one check of everything."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from avbuild.errors import UsageError
from avtrain.backbones.registry import backbone_config
from avtrain.config import Defaults, FitConfig, RunConfig, parse_options
from avtrain.methods.base import Method
from avtrain.methods.registry import find_method, method_config

OWNERS = ("method", "backbone")  # before the dot of a `--set` key


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Parse the values of `--set` to options of a fit.

    Args:
        settings: `key=value` each, the value in YAML.  `method.x` and `backbone.x` go to `method_options` and
            `backbone_options`.

    Raises:
        UsageError: names everything that is not of that form.
    """
    wrong = [setting for setting in settings if "=" not in setting]
    if wrong:
        raise UsageError(f"--set {' '.join(wrong)}: write key=value, such as --set method.length=16")
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        owner, dot, option = key.partition(".")
        if dot and owner in OWNERS:
            parsed.setdefault(f"{owner}_options", {})[option] = _yaml_value(text)
        else:
            parsed[key] = _yaml_value(text)
    return parsed


def merged_options(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a fit where some replace others, those of a method and of a backbone key by key.

    Args:
        below: fields of `FitConfig` by name.
        above: those that replace them; None counts as not given.
    """
    merged = {**below, **{key: value for key, value in above.items() if value is not None}}
    for owner in OWNERS:
        key = f"{owner}_options"
        if both := {**(below.get(key) or {}), **(above.get(key) or {})}:
            merged[key] = both
    return merged


def with_defaults(config: RunConfig) -> RunConfig:
    """Return a configuration with all options of its method and backbone that were not given.

    Those that it has already, as another version had them, stay as they are.

    Raises:
        UsageError: an option is unknown or has a bad value.
    """
    method, backbone = checked_options(config)
    fit = config.fit
    defaults: Defaults = {
        "method": {key: value for key, value in method.items() if key not in fit.method_options},
        "backbone": {key: value for key, value in backbone.items() if key not in fit.backbone_options},
    }
    return config.model_copy(update={"defaults": defaults})


def checked_options(config: RunConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all options of the method and of the backbone, as their models read them."""
    method = method_config(config.fit.method, config.method_options)
    backbone = backbone_config(config.fit.backbone, config.backbone_options)
    return method.model_dump(mode="json"), backbone.model_dump(mode="json")


def fit_config(options: Mapping[str, Any]) -> FitConfig:
    """Complete options with the defaults of their method, and check all of them.

    Args:
        options: fields of `FitConfig` by name; None counts as not given.

    Raises:
        UsageError: names every problem of the fit, of its method and of its backbone.
    """
    given = {key: value for key, value in options.items() if value is not None}
    method = find_method(str(given.get("method", FitConfig.model_fields["method"].default)))
    problems: list[str] = []
    config = None
    try:
        config = parse_options(FitConfig, {**_defaults(method), **given}, "fit")
    except UsageError as error:
        problems.append(str(error))
    if config is not None and config.train_split != "train" and config.select_on == "validation":
        problems.append(
            "fit: train_split: train+validation leaves no rows to select the best epoch on; use train_split=train, or "
            "--select-on-test, only to compare with published numbers made so"
        )
    for check, owner in ((method_config, "method"), (backbone_config, "backbone")):
        name = str(given.get(owner, FitConfig.model_fields[owner].default))
        try:
            check(name, given.get(f"{owner}_options", {}))
        except UsageError as error:
            problems.append(str(error))
    if problems or config is None:
        raise UsageError("\n".join(problems))
    return config


def _defaults(method: type[Method]) -> dict[str, Any]:
    return {
        "lr": method.default_lr,
        "epochs": method.default_epochs,
        "batch_size": method.default_batch_size,
        "optimizer": method.default_optimizer,
        "weight_decay": method.default_weight_decay,
        "draws": method.default_draws,
        "average_from": method.default_average_from,
    }


def _yaml_value(text: str) -> Any:
    """Parse a YAML scalar; text that is no YAML, such as a Windows path, is returned unchanged."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
