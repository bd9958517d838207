"""Pretrained weights, from a local safetensors file or folder, or by name from the Hugging Face Hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from avbuild.errors import UserError, listed
from avtrain.runs.sealed import open_tensors

WEIGHTS = "model.safetensors"  # the name of the file in folders and on the Hub


def load_weights(source: str) -> dict[str, Tensor]:
    """Read a state dict as it is stored.

    Args:
        source: a `.safetensors` file, a folder with `model.safetensors`, or a name on the Hub such as
            `facebook/dinov2-small`.

    Raises:
        UserError: there is no such file, it cannot be downloaded, or it is damaged or no safetensors file.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / WEIGHTS
        if not path.is_file():
            raise UserError(f"{source}: this folder has no {WEIGHTS}")
    elif not _is_file(source):
        path = _from_hub(source, WEIGHTS)
    if not path.is_file():
        raise UserError(f"{source}: no such file; give a .safetensors file or a name on the Hugging Face Hub")
    return open_tensors(path, "Put back a copy of the file")


def find_file(source: str, name: str) -> Path | None:
    """Return another file of the folder or Hub repository that weights come from.

    Args:
        source: as for `load_weights`.
        name: of the file, such as `config.json`.

    Returns:
        None where it has no such file, or the weights are a single file.

    Raises:
        UserError: the Hub cannot be reached.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path / name if (path / name).is_file() else None
    if _is_file(source):
        return None
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return _from_hub(source, name)
    except UserError as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            return None
        raise


def _is_file(source: str) -> bool:
    return source.endswith(".safetensors") or Path(source).expanduser().is_file()


def _from_hub(name: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, file))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise UserError(
            f"{name}: cannot be downloaded from the Hub ({type(error).__name__}). Download {file} from its "
            "page and pass the file: --set backbone.vision=FILE (images), backbone.audio=FILE or backbone.text=FOLDER"
        ) from error


def load_into(module: nn.Module, state: Mapping[str, Tensor], source: str, ignore: Sequence[str] = ()) -> None:
    """Copy a state dict into a module, floating-point values as float32.

    Args:
        module: changed in place.
        state: weights by name.
        source: where they come from, for the error.
        ignore: prefixes of names that may be there and are not used.

    Raises:
        UserError: lists every weight that is missing, not expected, or of another shape.
    """
    given = {key: value for key, value in state.items() if not key.startswith(tuple(ignore))}
    check_keys(module.state_dict(), given, source)
    module.load_state_dict(
        {key: value.to(torch.float32) if value.is_floating_point() else value for key, value in given.items()}
    )


def check_keys(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str) -> None:
    """Compare the names and shapes of weights.

    Args:
        wanted: weights of the module.
        given: weights that are to be loaded.
        source: where they come from, for the error.

    Raises:
        UserError: lists every weight that is missing, not expected, or of another shape.
    """
    problems = [f"missing {key} {list(wanted[key].shape)}" for key in wanted if key not in given]
    problems += [f"not expected: {key} {list(given[key].shape)}" for key in given if key not in wanted]
    problems += [
        f"{key} is {list(given[key].shape)}, expected {list(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    if problems:
        raise UserError(f"{source}: these are not the weights of this encoder\n{listed(problems, most=60)}")


def count_layers(state: Mapping[str, Tensor], prefix: str) -> int:
    """Count the numbered layers of a state dict.

    Args:
        state: weights by name.
        prefix: of the names before the number, such as `encoder.layer.`.
    """
    return 1 + max(int(key[len(prefix) :].split(".", 1)[0]) for key in state if key.startswith(prefix))
