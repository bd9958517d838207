"""The things that plug-ins define, by entry point group and name; they are loaded when a registry is asked."""

import functools
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from avbuild.errors import UserError
from avbuild.plugins.distributions import installed_objects
from avbuild.plugins.files import VARIABLE, load_file, named_files, read_plugin
from avbuild.plugins.source import GROUPS, PluginSource, objects_of


@dataclass(frozen=True, slots=True)
class Definition:
    """One thing that a plug-in defines.

    Attributes:
        group: entry point group of its kind.
        name: unique in the group; that of a corruption begins with its modality.
        item: the thing.
        source: the plug-in.
    """

    group: str
    name: str
    item: Any
    source: PluginSource

    def __str__(self) -> str:
        return f"{GROUPS[self.group]} {self.name}"


def defined(group: str) -> Mapping[str, Definition]:
    """Return what the plug-ins of this process define in a group, by name.

    Args:
        group: such as `avbuild.corruptions`.

    Raises UserError where a plug-in cannot be loaded, and where two define the same name.
    """
    return _defined(group, os.environ.get(VARIABLE, ""), os.getcwd())


@functools.lru_cache(maxsize=64)
def _defined(group: str, files: str, cwd: str) -> Mapping[str, Definition]:
    """Return `defined` for one value of the environment variable, whose paths may be relative to the folder."""
    found: dict[str, Definition] = {}
    for definition in (*_of_files(group), *_of_distributions(group)):
        other = found.setdefault(definition.name, definition)
        if other.item is not definition.item:
            if other.source == definition.source:
                raise UserError(f"plug-in {other.source.place}: {definition} is defined twice; rename one of them")
            raise UserError(
                f"{definition}: two plug-ins define it, {other.source.place} and {definition.source.place}; "
                "rename one of them, or load only one"
            )
    return found


def source_of(group: str, item: object) -> PluginSource | None:
    """Return the plug-in that defines a thing; None: no plug-in does.

    Args:
        group: of the thing.
        item: the thing itself.
    """
    return next((definition.source for definition in defined(group).values() if definition.item is item), None)


def refuse_shipped(definitions: Iterable[Definition], shipped: Container[str]) -> None:
    """Refuse plug-ins that take the name of a shipped thing.

    Args:
        definitions: of plug-ins, all of one group.
        shipped: names in that group.

    Raises UserError that names the plug-in.
    """
    for definition in definitions:
        if definition.name in shipped:
            package = definition.group.partition(".")[0]
            raise UserError(
                f"plug-in {definition.source.place}: {definition} has the name of one that {package} ships; rename it"
            )


@contextmanager
def plugins_loaded(files: Sequence[Path]) -> Iterator[None]:
    """Load plug-in files for the duration of a block, in this process and in those that it starts.

    Args:
        files: beside those that the environment variable names already.

    Raises UserError where a file cannot be loaded, or defines nothing.
    """
    before = os.environ.get(VARIABLE)
    added = [str(path.expanduser().absolute()) for path in files]
    if not added:
        yield
        return
    for path in files:
        read_plugin(path.expanduser())  # the error names the path as it was given
    _defined.cache_clear()  # a file may have changed
    os.environ[VARIABLE] = os.pathsep.join([*([before] if before else []), *added])
    try:
        _of_files(None)
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _of_files(group: str | None) -> list[Definition]:
    """Return what the plug-in files define in a group; None: in all of them."""
    found = []
    for path in named_files():
        module, source = load_file(path, read_plugin(path))
        definitions = list(_definitions(objects_of(module, module.__name__), source))
        if not definitions:
            raise UserError(
                f"plug-in {path} defines nothing: it needs a function with @audio_corruption, @image_corruption or "
                "@text_corruption, a Builder, a Method or Backbone with a name of its own, or a Section "
                "(docs/extending.md)"
            )
        found += [definition for definition in definitions if group in (None, definition.group)]
    return found


def _of_distributions(group: str) -> list[Definition]:
    found = []
    for objects, source in installed_objects(group):
        of_group = [definition for definition in _definitions(objects, source) if definition.group == group]
        if not of_group:
            raise UserError(f"plug-in {source.origin}: its entry point of {group} names no {GROUPS[group]}")
        found += of_group
    return found


def _definitions(objects: Iterable[object], source: PluginSource) -> Iterator[Definition]:
    for value in objects:
        if isinstance(value, type):
            if "name" in vars(value) and getattr(value, "plugin_group", None) in GROUPS:
                yield Definition(value.plugin_group, value.name, value, source)  # type: ignore[attr-defined]  # a group has names
        elif (group := getattr(type(value), "plugin_group", None)) in GROUPS:
            yield Definition(str(group), value.name, value, source)  # type: ignore[attr-defined]  # a group has names
        for declared in vars(value).get("corruptions", ()) if isinstance(value, FunctionType) else ():
            yield Definition(declared.plugin_group, f"{declared.modality} {declared.name}", declared, source)
