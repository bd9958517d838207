"""Audio-visual classifiers that survive noisy and missing modalities, compared on the same data.

`__all__` is the public Python API; docs/python.md shows it.
"""

from typing import TYPE_CHECKING

from avbuild import __version__

__all__ = ["Dataset", "__version__", "evaluate", "load"]

if TYPE_CHECKING:
    from avtrain.data.torch_dataset import Dataset
    from avtrain.evaluation.outside_model import evaluate
    from avtrain.inference.classifier import load
else:  # loaded on first use, so that importing the package does not import torch
    _HOMES = {
        "Dataset": "avtrain.data.torch_dataset",
        "evaluate": "avtrain.evaluation.outside_model",
        "load": "avtrain.inference.classifier",
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
