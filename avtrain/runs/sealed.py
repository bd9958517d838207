"""Files that know their own digest, so that a damaged one is told from a whole one when it is read.

A JSON object holds it as its last key, text as its first and last line (comments), safetensors in their metadata;
PyTorch's archive has a checksum an entry.  Files of version 0.1 hold none and are read as they are; damage does not
make a file look like one of them.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from avbuild.errors import UserError

KEY = "digest"
DIGITS = 32  # hexadecimal, of a digest
COMMENT = "# digest: "
ADVICE = "Put back a copy of the file, or make the run again with --resume restart"
FIRST = "# the last line is a digest of these: do not edit\n"  # tells a file that was cut from one of version 0.1


def digest_of(data: bytes) -> str:
    """Return 32 hexadecimal digits for some bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def sealed_object(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with its digest as the last key."""
    written = json.loads(json.dumps({key: value for key, value in content.items() if key != KEY}))
    return {**written, KEY: digest_of(json.dumps(written, sort_keys=True).encode())}


def open_object(data: bytes, origin: str, advice: str = ADVICE) -> dict[str, Any]:
    """Return the object that `sealed_object` sealed, without its digest.

    Args:
        data: JSON.
        origin: path, and line where there are several, for the error.
        advice: what to do where it is damaged, for the error.

    Raises UserError where it is damaged.
    """
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise damaged(origin, f"not JSON: {error}", advice) from error
    if not isinstance(content, dict):
        raise damaged(origin, "not a JSON object", advice)
    last = next(reversed(content), None)
    if KEY in content or (last is not None and _like_digest(content[last])):  # its key may be what was damaged
        found = content.pop(KEY, None)
        if found != sealed_object(content)[KEY]:
            raise damaged(origin, "its content does not have the digest in it", advice)
    return content


def sealed_text(text: str) -> str:
    """Return text between two comments of YAML, the second with its digest."""
    return f"{FIRST}{text}{COMMENT}{digest_of(text.encode())}\n"


def open_text(data: bytes, origin: str) -> str:
    """Return the text that `sealed_text` sealed.  Raises UserError where it is damaged."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise damaged(origin, "not UTF-8") from error
    if text[:1].isalpha() and COMMENT not in text:  # as version 0.1 wrote it: it began with a key
        return text
    content, _, found = text.removeprefix(FIRST).rpartition(COMMENT)
    if not text.startswith(FIRST) or found != f"{digest_of(content.encode())}\n":
        raise damaged(origin, "its content does not have the digest in its last line")
    return content


def sealed_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as safetensors with the digest of their names, types, shapes and values."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    return save(plain, metadata={KEY: digest_tensors(plain)})


def open_tensors(path: Path, advice: str = ADVICE) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, sealed or not.

    Args:
        path: of the file.
        advice: what to do where it is damaged, for the error.

    Raises UserError where it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except Exception as error:  # a damaged header makes safetensors and torch raise nearly anything
        raise damaged(str(path), f"not a safetensors file ({_first_line(error)})", advice) from error
    sealed = KEY in metadata or any(map(_like_digest, metadata.values()))
    if sealed and metadata.get(KEY) != digest_tensors(tensors):
        raise damaged(str(path), "its weights do not have the digest they were written with", advice)
    return tensors


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of names, types, shapes and values, in any order.  tensors: on the CPU, contiguous."""
    found = hashlib.sha256()  # of all hashes the fastest where the processor has it, and weights are large
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:DIGITS]


def open_archive(path: Path) -> dict[str, Any]:
    """Return what `torch.save` wrote, once every entry has its checksum.  Raises UserError where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        state = None if bad else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives make zipfile and torch raise nearly anything
        raise damaged(str(path), f"not a PyTorch archive ({_first_line(error)})") from error
    if bad:
        raise damaged(str(path), f"its entry {bad} does not have its checksum")
    if not isinstance(state, dict):
        raise damaged(str(path), "not a training state")
    return state


def damaged(origin: str, why: str, advice: str = ADVICE) -> UserError:
    """Return the error for a file that is not what was written."""
    return UserError(f"{origin}: damaged: {why}. {advice}")


def _like_digest(value: object) -> bool:
    """Whether a value has the form of a digest, even a damaged one."""
    return isinstance(value, str) and len(value) == DIGITS


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
