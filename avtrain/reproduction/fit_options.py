"""Options of each planned run: those given for all runs, for a method, for a system, and those that define its row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from avbuild.errors import UsageError, nearest
from avbuild.scenarios.manifest_file import read_yaml
from avtrain.config import FitConfig
from avtrain.reproduction.system import System
from avtrain.training.options import fit_config

SET_BY_PLAN = ("method", "train_on", "select_on", "init_from", "seed")
SAME_FOR_ALL = ("backbone", "backbone_options")  # rows with different backbones could not be compared

Options = Mapping[str, Any]  # of a fit, as under `fit` in a run's config.yaml


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """Read the YAML file of `--settings`: method or system -> options of its fits.

    Raises UsageError where the file is not valid.
    """
    try:
        content = yaml.safe_load(read_yaml(str(path), "file of --settings"))
    except yaml.YAMLError as error:
        raise UsageError(f"--settings {path}: not YAML: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise UsageError(f"--settings {path}: write  METHOD: {{lr: 0.001, epochs: 20, method_options: {{...}}}}")
    return {str(name): value for name, value in content.items()}


def check_options(options: Options, settings: Mapping[str, Options], known: Sequence[System]) -> None:
    """Check the names that options are given for, and that none of them is set by the plan.

    Args:
        options: given for all runs, by `--set`.
        settings: method or system -> options, from `--settings`.
        known: all systems that settings may name, chosen or not.

    Raises UsageError.
    """
    names = list(dict.fromkeys(name for system in known for name in (system.method, system.row)))
    if unknown := [name for name in settings if name not in names]:
        raise UsageError(f"--settings: no method {unknown[0]}{nearest(unknown[0], names)}; known: {', '.join(names)}")
    _refuse_fixed("--set", options, SET_BY_PLAN)
    for name, own in settings.items():
        _refuse_fixed(f"--settings {name}", own, (*SET_BY_PLAN, *SAME_FOR_ALL))


def planned_config(
    system: System,
    options: Options,
    settings: Mapping[str, Options],
    epochs_scale: float,
    init_from: Path | None,
) -> FitConfig:
    """Return the configuration of a system's fits, without their seeds.

    Args:
        system: the row of the table.
        options: given for all runs.
        settings: method or system -> options; those of the system replace those of its method.
        epochs_scale: factor on the number of epochs, above 0.
        init_from: folder of the runs to start from; None: the pretrained backbone.

    Raises UsageError where an option is unknown, or would change what defines the row.
    """
    given = dict(options)
    for name in dict.fromkeys((system.method, system.row)):  # the same for both selections of a row
        own = settings.get(name, {})
        merged = {**given.get("method_options", {}), **own.get("method_options", {})}
        given |= {**own, "method_options": merged}
    fixed = dict(system.method_options)
    if changed := [key for key in given.get("method_options", {}) if key in fixed]:
        raise UsageError(
            f"{system.name}: {', '.join(changed)} cannot be set, because it defines this row of the table; "
            f"leave out method.{changed[0]}"
        )
    given |= {
        "method": system.method,
        "method_options": given.get("method_options", {}) | fixed,
        "train_on": system.train_on,
        "select_on": system.select_on,
        "init_from": None if init_from is None else str(init_from),
    }
    config = fit_config(given)
    return config.model_copy(update={"epochs": max(1, round(config.epochs * epochs_scale))})


def _refuse_fixed(source: str, given: Options, fixed: Sequence[str]) -> None:
    """Raise UsageError where an option is given that is set by the plan or is the same for all runs."""
    if wrong := [key for key in given if key in fixed]:
        raise UsageError(
            f"{source}: {', '.join(wrong)} cannot be set here; give options of a method as method_options "
            "(--set method.KEY=VALUE), and options of the backbone for all runs (--set backbone.KEY=VALUE)"
        )
