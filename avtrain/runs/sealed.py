"""Files that know their own digest, so that a damaged one is told from a whole one when it is read.

A JSON object holds it as its last key, text as its last line (a comment), safetensors in their metadata; PyTorch's
archive has a checksum an entry.  Files of version 0.1 hold none and are read as they are.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avbuild.errors import UserError
from avtrain.data.fingerprints import digest_weights

KEY = "digest"
COMMENT = "# digest: "


def digest_of(data: bytes) -> str:
    """Return 32 hexadecimal digits for some bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def sealed_object(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with its digest as the last key."""
    plain = {key: value for key, value in content.items() if key != KEY}
    return {**plain, KEY: digest_of(json.dumps(plain, sort_keys=True).encode())}


def open_object(text: str, origin: str) -> dict[str, Any]:
    """Return the object that `sealed_object` sealed, without its digest.

    Args:
        text: JSON.
        origin: path, and line where there are several, for the error.

    Raises UserError where it is damaged.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(origin, f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise damaged(origin, "not a JSON object")
    found = content.pop(KEY, None)
    if found is not None and found != sealed_object(content)[KEY]:
        raise damaged(origin, "its content does not have the digest in it")
    return content


def sealed_text(text: str) -> str:
    """Return text with its digest in a last line, a comment in YAML."""
    return f"{text}{COMMENT}{digest_of(text.encode())}\n"


def open_text(data: bytes, origin: str) -> str:
    """Return the text that `sealed_text` sealed.  Raises UserError where it is damaged."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise damaged(origin, "not UTF-8") from error
    content, mark, found = text.rpartition(COMMENT)
    if not mark:
        return text
    if found.strip() != digest_of(content.encode()):
        raise damaged(origin, "its content does not have the digest in its last line")
    return content


def sealed_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as safetensors with the digest of their names and values."""
    ordered = {name: tensors[name].cpu().contiguous() for name in sorted(tensors)}
    return save(ordered, metadata={KEY: digest_weights(ordered)})


def open_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.  Raises UserError where it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError, ValueError, RuntimeError, OverflowError) as error:
        raise damaged(str(path), f"not safetensors: {error}") from error
    if found is not None and found != digest_weights({name: tensors[name] for name in sorted(tensors)}):
        raise damaged(str(path), "its weights do not have the digest they were written with")
    return tensors


def open_archive(path: Path) -> dict[str, Any]:
    """Return what `torch.save` wrote, once every entry has its checksum.  Raises UserError where it is damaged."""
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bad = archive.testzip()
        if bad is not None:
            raise damaged(str(path), f"its entry {bad} does not have its checksum")
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # damaged archives make zipfile and torch raise nearly anything
        raise damaged(
            str(path), f"not a PyTorch archive: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
    if not isinstance(state, dict):
        raise damaged(str(path), "not a training state")
    return state


def damaged(origin: str, why: str) -> UserError:
    """Return the error for a file of a run that is not what was written."""
    return UserError(f"{origin}: damaged: {why}. Put back a copy, or train again with --resume restart")
