"""Plug-in files: Python files that `--plugin` or the environment variable AVBUILD_PLUGINS names.

The environment variable is the only state, so that workers, Ray tasks and the processes of torchrun, which inherit it,
have the same plug-ins.
"""

import functools
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from avbuild.errors import UsageError, UserError
from avbuild.plugins.source import DIGITS, PluginSource, digest_of

VARIABLE = "AVBUILD_PLUGINS"  # paths of plug-in files, separated as in PATH
PREFIX = "avbuild.plugins.file_"  # of the names of their modules


class _SourceLoader(Loader):
    """Runs the code that was read when the digest was computed, even if the file has changed since."""

    def __init__(self, path: Path, code: bytes) -> None:
        self.path, self.code = path, code

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.path)
        exec(compile(self.code, str(self.path), "exec"), module.__dict__)


class PluginFinder(MetaPathFinder):
    """Finds the modules of plug-in files by name, for processes that unpickle objects of their classes."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the module of a plug-in file that is named in the environment."""
        if not name.startswith(PREFIX):
            return None
        for file in named_files():
            code = read_plugin(file)
            if module_name(file, code) == name:
                return spec_from_loader(name, _SourceLoader(file, code))
        return None


def named_files() -> list[Path]:
    """Return the paths in the environment variable, absolute, each once."""
    paths = [Path(text).expanduser().absolute() for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return list(dict.fromkeys(paths))


def module_name(path: Path, code: bytes) -> str:
    """Return the name of the module of a plug-in file; a changed file has another.

    Args:
        path: of the file.
        code: its content.
    """
    return f"{PREFIX}{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{digest_of(code)[:DIGITS]}"


def read_plugin(path: Path) -> bytes:
    """Return the content of a plug-in file.

    Args:
        path: as the user named it, or absolute.

    Raises UsageError where it is not a Python file that can be read.
    """
    if path.suffix != ".py":
        raise UsageError(f"--plugin {path}: not a Python file; name a file that ends with .py")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"--plugin {path}: no such file (it is named by --plugin or by {VARIABLE})") from None
    except OSError as error:
        raise UsageError(f"--plugin {path}: cannot be read: {error.strerror or error}") from error


@functools.lru_cache(maxsize=64)
def load_file(path: Path, code: bytes) -> tuple[ModuleType, PluginSource]:
    """Import a plug-in file.

    Args:
        path: of the file.
        code: its content.

    Raises UserError with the line where it fails.
    """
    name = module_name(path, code)
    source = PluginSource(path.name, digest_of(code), str(path))
    if name not in sys.modules:
        spec = spec_from_loader(name, _SourceLoader(path, code))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = module_from_spec(spec)
        try:
            importing(str(path), lambda: spec.loader.exec_module(module) if spec.loader else None)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name], source


def importing(place: str, load: Callable[[], object]) -> object:
    """Call what imports a plug-in, and turn what it raises into one error with the line.

    Args:
        place: the file, or the entry point, for the error.
        load: imports it.

    Raises UserError.
    """
    try:
        return load()
    except SyntaxError as error:
        raise UserError(f"plug-in {place} cannot be loaded: line {error.lineno}: SyntaxError: {error.msg}") from error
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
        line = f"line {frames[-1].lineno}: " if frames else ""
        if not line:
            outside = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
            line = f"{outside[-1].filename} line {outside[-1].lineno}: " if len(outside) > 1 else ""
        raise UserError(f"plug-in {place} cannot be loaded: {line}{type(error).__name__}: {error}") from error
