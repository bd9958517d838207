"""CIFAR-10's batch files: pickles of which only arrays of bytes, lists and texts are read."""

import io
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbuild.errors import UserError

LARGEST = 64 << 20  # bytes; an official file has 31 million
PIXELS = 3 * 32 * 32
CLASSES = 10
OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "GLOBAL",
    "STACK_GLOBAL", "REDUCE", "BUILD", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2",
    "SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "EMPTY_DICT",
    "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
}  # fmt: skip
LARGEST_MEMO = 1_000_000
MOST_TUPLES = 16  # each one of two of the one before, they double the time of a hash
LATIN1 = "latin1"


def load_batch(path: Path) -> tuple[NDArray[np.uint8], list[int]]:
    """Read a batch file.

    Args:
        path: of the file.

    Returns pixels, uint8 [images, 3072], and the class index of each image, 0 to 9.

    Raises UserError where the file is none, or would run code.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: has more than {LARGEST:,} bytes; no CIFAR-10 batch file has")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        _check_opcodes(data)
        batch = _PlainUnpickler(io.BytesIO(data), encoding=LATIN1).load()
        return _pixels(batch), _labels(batch)
    # these are raised for damaged files for damaged files
    except (pickle.UnpicklingError, ValueError, LookupError, TypeError, AttributeError, EOFError, MemoryError,
            RecursionError, OverflowError, struct.error) as error:  # fmt: skip
        reason = str(error)[:200] or type(error).__name__
        raise UserError(
            f"{path}: is damaged, or no CIFAR-10 batch file ({reason}); unpack cifar-10-python.tar.gz again"
        ) from error


def _pixels(batch: Any) -> NDArray[np.uint8]:
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise ValueError("needs data and labels")
    array = batch["data"]
    if not isinstance(array, _Array) or array.kind != "u1" or array.fortran:
        raise ValueError("its data are no array of bytes")
    if len(array.shape) != 2 or array.shape[1] != PIXELS or len(array.content) != array.shape[0] * PIXELS:
        raise ValueError(f"its data have the shape {str(array.shape)[:80]}; expected images x {PIXELS}")
    return np.frombuffer(array.content, np.uint8).reshape(array.shape)


def _labels(batch: Any) -> list[int]:
    labels, images = batch["labels"], batch["data"].shape[0]
    if not isinstance(labels, list) or len(labels) != images or not images:
        raise ValueError(f"needs one label for each of its {images} images")
    if not all(type(label) is int and 0 <= label < CLASSES for label in labels):
        raise ValueError(f"its labels are not all from 0 to {CLASSES - 1}")
    return labels


class _Array:
    """Stands for a NumPy array while a pickle is read, so that the pickle makes none of its own size."""

    shape: tuple[int, ...] = ()
    kind = ""
    fortran = False
    content = b""

    def __init__(self, *_: object) -> None:
        """Ignore what NumPy would make an empty array of; the state comes later."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _Kind) or not all(type(size) is int for size in shape):
            raise ValueError("an array without its shape and type")
        if not isinstance(content, bytes | str):
            raise ValueError("an array of objects")
        self.shape, self.kind, self.fortran = tuple(shape), dtype.code, bool(fortran)
        self.content = content.encode(LATIN1) if isinstance(content, str) else content


class _Kind:
    """Stands for a NumPy dtype."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Ignore the byte order, which bytes do not have."""


class _Bytes(bytes):
    """Bytes that Python 3 wrote as text, in protocol 2."""

    def __new__(cls, text: str, encoding: str) -> "_Bytes":
        if encoding != LATIN1:
            raise ValueError("bytes written as other than Latin-1")
        return super().__new__(cls, text.encode(LATIN1))

    def __setstate__(self, state: Any) -> None:
        raise ValueError("bytes with a state")


def _check_opcodes(data: bytes) -> None:
    """Refuse what no batch needs, before it is run: a few bytes of a pickle can ask for any memory or time."""
    tuples = 0
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in OPCODES:
            raise ValueError(f"holds {opcode.name}")
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > LARGEST_MEMO:
            raise ValueError("its memo is too large")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > MOST_TUPLES:
            raise ValueError("holds too many tuples")


class _PlainUnpickler(pickle.Unpickler):
    """Loads what the official files hold and nothing else, so that a downloaded pickle cannot run code."""

    names = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,  # as NumPy 2 calls it
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Kind,
        ("_codecs", "encode"): _Bytes,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.names:
            raise UserError(
                f"a CIFAR-10 batch file loads {module[:80]}.{name[:80]}, which no official one does; it was not opened"
            )
        return self.names[module, name]
