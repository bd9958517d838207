"""Paired audio-visual data sets, corrupted so exactly that any sample can be re-created anywhere.

`__all__` is the public Python API; docs/python.md shows it.
"""

from typing import TYPE_CHECKING

__version__ = "0.2.0"
__all__ = ["UsageError", "UserError", "__version__", "corrupt", "load"]

if TYPE_CHECKING:
    from avbuild.api.corrupt import corrupt
    from avbuild.api.load import load
    from avbuild.errors import UsageError, UserError
else:  # loaded on first use, so that importing the package, as every command does, stays fast
    _HOMES = {
        "UsageError": "avbuild.errors",
        "UserError": "avbuild.errors",
        "corrupt": "avbuild.api.corrupt",
        "load": "avbuild.api.load",
    }

    def __getattr__(name):
        """Load a public name from the module that defines it."""
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__():
        """Return the public names, beside those that are loaded already."""
        return sorted({*globals(), *__all__})
