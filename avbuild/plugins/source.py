"""The source of a plug-in: a file, or an installed distribution, with a digest of its Python code."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

DIGITS = 16  # of a digest, in names and in the `corruption` column

GROUPS = {  # entry point group -> what one of its things is called
    "avbuild.corruptions": "corruption",
    "avbuild.sources": "data set",
    "avtrain.methods": "method",
    "avtrain.backbones": "backbone",
    "avtrain.report_sections": "report section",
}


@dataclass(frozen=True, slots=True)
class PluginSource:
    """The origin of a plug-in.

    Attributes:
        origin: name of the file, such as `my_ops.py`, or the distribution as pip writes it, `crackle==1.0`.
        digest: sha256 of its Python source.
        place: path of the file or package on this machine, for errors.
    """

    origin: str
    digest: str
    place: str

    def __str__(self) -> str:
        return f"{self.origin} (source {self.digest[:12]})"


def digest_of(code: bytes) -> str:
    """Return the sha256 of the source of a plug-in that is a single file."""
    return hashlib.sha256(code).hexdigest()


def digest_of_package(folder: Path) -> str:
    """Return one sha256 for names and contents of all Python files of a package.

    Args:
        folder: of the package.
    """
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        code = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()} {len(code)}\n".encode())
        found.update(code)
    return found.hexdigest()


def how_to_load(origin: str) -> str:
    """Return what makes a plug-in available, for errors.

    Args:
        origin: as `PluginSource` has it.
    """
    if origin.endswith(".py"):
        return f"load it with --plugin {origin}, or name the file in the environment variable AVBUILD_PLUGINS"
    return f"install it: pip install {origin}"


def objects_of(module: ModuleType, package: str) -> Iterable[object]:
    """Return what a module defines, without the classes and functions that it imports from elsewhere.

    Args:
        module: of a plug-in.
        package: whose modules belong to the plug-in.
    """
    for value in vars(module).values():
        home = getattr(value, "__module__", None) if isinstance(value, type) or callable(value) else None
        if home is None or home == package or str(home).startswith(f"{package}."):
            yield value
