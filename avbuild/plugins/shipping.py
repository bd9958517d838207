"""Send plug-in files to processes on other machines, which have neither the files nor the environment variable."""

import functools
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avbuild.plugins.files import VARIABLE, named_files, read_plugin

PluginFiles = tuple[tuple[str, bytes], ...]  # name and content of each


def plugin_files() -> PluginFiles:
    """Return the plug-in files of this process."""
    return tuple((path.name, read_plugin(path)) for path in named_files())


def run_with_plugins(files: PluginFiles, function: Callable[[Any], Any], job: bytes) -> Any:
    """Call a function on a pickled argument, which may hold objects of plug-in files.

    Args:
        files: by `plugin_files`, in the process that sends them.
        function: importable by name.
        job: its argument.
    """
    if files:
        os.environ[VARIABLE] = _unpacked(files)
    return function(pickle.loads(job))


@functools.cache
def _unpacked(files: PluginFiles) -> str:
    """Write the files to a temporary folder, once a process; returns the value of the environment variable."""
    paths = []
    for name, code in files:
        # one folder a file: two plug-ins may have one file name
        path = Path(tempfile.mkdtemp(prefix="avbuild-plugin-")) / name
        path.write_bytes(code)
        paths.append(str(path))
    return os.pathsep.join(paths)
