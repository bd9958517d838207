"""Plug-ins of installed distributions, found through their entry points."""

import functools
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from avbuild.errors import UserError
from avbuild.plugins.files import importing
from avbuild.plugins.source import PluginSource, digest_of, digest_of_package, objects_of


@functools.cache
def installed_objects(group: str) -> tuple[tuple[tuple[object, ...], PluginSource], ...]:
    """Import every entry point of a group.

    Args:
        group: such as `avbuild.corruptions`.

    Returns for each entry point the objects that it names or that its module defines, and where it comes from.

    Raises UserError that names a distribution whose entry point cannot be imported.
    """
    found = []
    for entry in _entries(group):
        origin = _distribution_of(entry)
        loaded = importing(f"{origin} (entry point {group}: {entry.name} = {entry.value})", entry.load)
        top = _top_package(entry.module)
        objects = tuple(objects_of(loaded, top.__name__)) if isinstance(loaded, ModuleType) else (loaded,)
        place, digest = _place_and_digest(top)
        found.append((objects, PluginSource(origin, digest, place)))
    return tuple(found)


def installed_packages(group: str) -> list[Path]:
    """Return the folders that another machine needs to have the entry points of a group: packages and their metadata.

    Args:
        group: such as `avbuild.corruptions`.

    Raises UserError where a plug-in is a single module, which cannot be sent alone.
    """
    folders: dict[Path, None] = {}
    for (_, source), entry in zip(installed_objects(group), _entries(group), strict=True):
        if not Path(source.place).is_dir():
            raise UserError(
                f"plug-in {source.origin}: {source.place} is a single module, which Ray cannot send to other machines; "
                f"make it a package, or name the file with --plugin"
            )
        folders[Path(source.place)] = None
        files = entry.dist.files or [] if entry.dist else []
        metadata = [Path(str(file.locate())).parent for file in files if file.name == "entry_points.txt"]
        folders |= dict.fromkeys(metadata)
    return list(folders)


def _entries(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))


def _distribution_of(entry: EntryPoint) -> str:
    return f"{entry.dist.name}=={entry.dist.version}" if entry.dist else entry.module


def _top_package(module: str) -> ModuleType:
    """Return the outermost package or module of a dotted name that has code; namespace packages are passed over."""
    parts = module.split(".")
    names = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return next(
        (sys.modules[name] for name in names if getattr(sys.modules[name], "__file__", None)), sys.modules[module]
    )


def _place_and_digest(top: ModuleType) -> tuple[str, str]:
    path = Path(str(top.__file__))
    if path.name == "__init__.py":
        return str(path.parent), digest_of_package(path.parent)
    return str(path), digest_of(path.read_bytes())
