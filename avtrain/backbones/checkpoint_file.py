"""Checkpoint files of a user's own CAV-MAE: a table of weights, alone or inside what a training has saved."""

import pickle
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from avbuild.errors import UserError, listed
from avtrain.backbones.weights import load_weights

SUFFIXES = (".pth", ".pt", ".safetensors")
ALLOWED = "a .pth, .pt or .safetensors file of CAV-MAE"
KEYS = ("state_dict", "model")  # of a checkpoint, under which trainings save the table of weights
WRAPPERS = ("module.", "_orig_mod.")  # prefixes by DataParallel and torch.compile


def read_checkpoint(source: str) -> dict[str, Tensor]:
    """Read a state dict from a `.safetensors` file, or from a `.pth` or `.pt` file without executing any of it.

    The latter holds the weights by name, or such a table under the key `state_dict` or `model`, beside whatever else
    the training has kept.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        raise UserError(f"{source}: no such file; backbone.weights takes {ALLOWED}")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{source}: none of {', '.join(SUFFIXES)}; backbone.weights takes {ALLOWED}")
    state = load_weights(source) if path.suffix == ".safetensors" else _table_inside(_load_archive(path), source)
    _require_unambiguous(state, source)
    return state


def _load_archive(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: not a checkpoint of weights alone ({reason}). Where it is yours, save its table of weights with "
            "torch.save(model.state_dict(), FILE)"
        ) from error


def _table_inside(content: object, source: str) -> dict[str, Tensor]:
    """Return the table of weights that a checkpoint is, or holds under one of `KEYS`."""
    tables = [content]
    if isinstance(content, dict):
        tables = [content[key] for key in KEYS if key in content] or tables
    if len(tables) > 1:
        raise UserError(f"{source}: holds both {' and '.join(KEYS)}; save the table of weights alone")
    if isinstance(found := tables[0], dict) and found and all(isinstance(value, Tensor) for value in found.values()):
        return {str(key): value for key, value in found.items()}
    kind = f"a dictionary with {_some(content)}" if isinstance(content, dict) else f"a {type(content).__name__}"
    raise UserError(
        f"{source}: holds {kind}; expected a table of weights, or one under the key {' or '.join(KEYS)}, and in it "
        "nothing but tensors"
    )


def _some(content: Mapping[object, object]) -> str:
    """Return the first keys of a dictionary, for an error."""
    shown = ", ".join(str(key) for key in list(content)[:5]) or "no keys"
    return f"{shown}, ..." if len(content) > 5 else shown


def _require_unambiguous(state: Mapping[str, Tensor], source: str) -> None:
    """Raise UserError where two weights have the same name without the prefixes of wrappers."""
    counts = Counter(map(without_wrappers, state))
    if double := [name for name, count in counts.items() if count > 1]:
        raise UserError(f"{source}: holds some weights twice, with and without a prefix\n{listed(double)}")


def without_wrappers(key: str) -> str:
    """Return the name of a weight without the prefixes that DataParallel and torch.compile put before it."""
    while key.startswith(WRAPPERS):
        key = key.partition(".")[2]
    return key
