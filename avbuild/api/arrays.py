"""NumPy arrays and PyTorch tensors as NumPy arrays, and back, without importing PyTorch."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbuild.errors import UsageError

Array = NDArray[Any]
Restore = Callable[[Array], Any]  # from an array to the kind of object that was given


def is_tensor(value: object) -> bool:
    """Return whether a value is a PyTorch tensor; nobody has one before PyTorch is imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value: Any, what: str) -> tuple[Array, Restore]:
    """Return an array or a tensor as an array, and the function that turns an array into the same kind.

    Args:
        value: NumPy array, or PyTorch tensor on any device.
        what: name of the value, for the error.

    Raises UsageError for anything else.
    """
    if isinstance(value, np.ndarray):
        return value, lambda array: array
    if is_tensor(value):
        torch: Any = sys.modules["torch"]
        device = value.device
        if value.dtype == torch.bfloat16:
            raise UsageError(f"{what}: a bfloat16 tensor, which has too few digits for a signal; give float32")
        return value.detach().cpu().numpy(), lambda array: torch.from_numpy(array).to(device)
    raise UsageError(f"{what}: {described(value)}; give a NumPy array or a PyTorch tensor")


def described(value: object) -> str:
    """Return the kind of a value in words, for errors.

    >>> described([1, 2])
    'a list'
    """
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
