"""Files of `--config`: the options of a fit, and its manifest or the path of one; a run's own `config.yaml` is one."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.manifest_file import (
    Problem,
    check_manifest,
    dotted,
    load_manifest,
    problem_report,
    read_yaml,
    resolve_dataset,
)
from avbuild.scenarios.yaml_lines import Document, YamlPath, parse
from avtrain.backbones.registry import backbone_config
from avtrain.config import Defaults, FitConfig, Owner, WrongOptions, parse_options
from avtrain.methods.registry import method_config

KEYS = ("fit", "manifest", "folds", "defaults")


class ConfigFile(Frozen):
    """The content of a file of `--config`.

    Attributes:
        fit: fields of `FitConfig` that the file gives, by name.
        manifest: None where the file has none.
        folds: all folds of the cross-validation that the run of this file is part of; None for other files.
        defaults: options of its method and backbone that were not given, by owner, as the run of this file has them.
    """

    fit: dict[str, Any]
    manifest: Manifest | None
    folds: tuple[int, ...] | None
    defaults: Defaults = {}

    def defaults_of(self, fit: FitConfig) -> Defaults:
        """Return those of the method and the backbone that a fit has too, where it is given no other value."""
        kept: Defaults = {}
        given: dict[Owner, dict[str, Any]] = {"method": fit.method_options, "backbone": fit.backbone_options}
        for owner, found in self.defaults.items():
            if self.fit.get(owner, FitConfig.model_fields[owner].default) == getattr(fit, owner):
                kept[owner] = {key: value for key, value in found.items() if key not in given[owner]}
        return kept


def read_config_file(path: str) -> ConfigFile:
    """Read a file of `--config`.

    Args:
        path: a local file or any fsspec URL.

    Raises:
        UsageError: lists every problem with its line.
    """
    document = parse(read_yaml(path, "file of --config"))
    problems = [(line, dotted(place), what) for line, place, what in document.problems]
    data = document.data if isinstance(document.data, dict) else {}
    if not data and not problems:
        problems.append((1, "", f"a configuration must be a mapping with the keys {', '.join(KEYS)}"))
    problems += [
        (document.line((key,)), key, f"unknown key{nearest(key, KEYS)}; allowed: {', '.join(KEYS)}")
        for key in data
        if key not in KEYS
    ]
    fit = data.get("fit") or {}
    problems += _fit_problems(fit, document)
    manifest, found = _manifest(data.get("manifest"), document, path)
    problems += found
    folds, found = _folds(data.get("folds"), document)
    problems += found
    defaults, found = _defaults(data.get("defaults"), document)
    problems += found
    if problems:
        raise UsageError(problem_report(path, problems))
    return ConfigFile(fit=fit, manifest=manifest, folds=folds, defaults=defaults)


def _fit_problems(fit: Any, document: Document) -> list[Problem]:
    if not isinstance(fit, dict):
        return [(document.line(("fit",)), "fit", "must be a mapping of options, such as  lr: 0.001")]
    options = {owner: fit.get(f"{owner}_options") or {} for owner in ("method", "backbone")}
    # options of a method and of a backbone are checked by themselves
    problems = _checked(lambda: parse_options(FitConfig, fit, "fit"), ("fit",), document)
    for owner, check in (("method", method_config), ("backbone", backbone_config)):
        name = str(fit.get(owner, FitConfig.model_fields[owner].default))
        place: YamlPath = ("fit", f"{owner}_options")
        if not isinstance(options[owner], dict):
            continue  # said by the check of FitConfig
        try:
            check(name, {})
        except WrongOptions:
            pass  # an option that must be given
        except UsageError as error:
            problems.append((document.line(("fit", owner)), f"fit.{owner}", str(error)))
            continue
        problems += _checked(_check_of(check, name, options[owner]), place, document)
    return problems


def _check_of(
    check: Callable[[str, Mapping[str, Any]], object], name: str, options: Mapping[str, Any]
) -> Callable[[], object]:
    return lambda: check(name, options)


def _checked(check: Callable[[], object], place: YamlPath, document: Document) -> list[Problem]:
    """Return what is wrong with options, each with its line.  place: of the options in the file."""
    try:
        check()
    except WrongOptions as error:
        return [(document.line((*place, *key)), dotted((*place, *key)), what) for key, what in error.problems]
    return []


def _manifest(value: Any, document: Document, path: str) -> tuple[Manifest | None, list[Problem]]:
    """Return the manifest of a file: written out, or the path of one, relative to the folder of the file."""
    if value is None:
        return None, []
    if isinstance(value, str):
        try:
            return load_manifest(resolve_dataset(value, path)), []
        except UsageError as error:
            return None, [(document.line(("manifest",)), "manifest", str(error))]
    part = Document(value, {place[1:]: line for place, line in document.lines.items() if place[:1] == ("manifest",)})
    manifest, problems = check_manifest(part, path)
    if manifest is not None:
        manifest = manifest.model_copy(update={"dataset": resolve_dataset(manifest.dataset, path)})
    return manifest, [(line, f"manifest.{place}" if place else "manifest", what) for line, place, what in problems]


def _folds(value: Any, document: Document) -> tuple[tuple[int, ...] | None, list[Problem]]:
    try:
        return TypeAdapter(tuple[int, ...] | None).validate_python(value), []
    except ValidationError:
        return None, [(document.line(("folds",)), "folds", "must be a list of numbers, such as [1, 2, 3]")]


def _defaults(value: Any, document: Document) -> tuple[Defaults, list[Problem]]:
    try:
        return TypeAdapter(Defaults).validate_python(value or {}), []
    except ValidationError:
        what = "must be options of method and backbone, as a run's config.yaml has them"
        return {}, [(document.line(("defaults",)), "defaults", what)]
