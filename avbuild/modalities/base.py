"""The record of a modality: everything that depends on the modality is asked of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.random import Generator
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # audio: [samples], full scale 1.0
Pixels = NDArray[np.uint8]  # image: [height, width, 3]; video: [frames, height, width, 3]
Signal = Any  # one of the above, a str for text, or what a front end made of one: float32 of any shape

FILE = pa.struct({"bytes": pa.binary(), "path": pa.string()})  # one encoded file in a Parquet cell


class Unreadable(Exception):
    """Bytes that do not decode, or decode to nothing; the message says why."""


def no_quantisation(signal: Signal) -> tuple[Signal, float]:
    """Return the signal and a gain of 1: what it holds can be stored as it is."""
    return signal, 1.0


def is_finite(signal: Signal) -> bool:
    """Whether an array holds neither NaN nor infinite values."""
    return bool(np.isfinite(signal).all())


@dataclass(frozen=True)
class Modality:
    """One modality: how its signals are read, stored, changed and named.

    A signal is what `decode` returns.  A *file* is the encoded bytes that a data set stores; a signal of a framewise
    modality is stored as one file a frame.  The file of a plain modality is UTF-8, and its column a string.
    """

    name: str  # of its column
    noun: str  # how a person calls one sample of it: "audio clip"
    family: str  # the modality whose corruptions act on it
    letter: str  # in the names of the default scenarios: A, V or T
    visual: bool  # whether it shows something
    suffix: str  # of the names of stored files
    arrow_type: pa.DataType
    feature: Mapping[str, Any]  # of Hugging Face `datasets`, as its JSON writes it
    croissant_type: str
    description: str  # of its column
    read: Callable[[bytes, float], Signal]  # (source file, frames a second) -> signal; raises Unreadable
    store: Callable[[bytes, float], list[bytes]]  # (source file, frames a second) -> the files of a clean sample
    decode: Callable[[Sequence[bytes]], Signal]  # stored files -> signal
    encode: Callable[[Signal], list[bytes]]  # signal -> files, without loss
    fill_one: Callable[[Signal, str, Generator], Signal]  # what replaces a signal, or a frame, that is missing
    quantise: Callable[[Signal], tuple[Signal, float]] = no_quantisation  # to what is stored exactly, and the gain used
    clean_suffix: Callable[[bytes], str] | None = None  # of a stored clean file, where its bytes decide
    framewise: bool = False  # stored and corrupted frame by frame
    plain: bool = False  # stored as a string instead of as files
    may_be_empty: bool = False  # whether a source file without bytes is a signal too
    equal: Callable[[Signal, Signal], bool] = np.array_equal
    finite: Callable[[Signal], bool] = is_finite
    stored_problem: Callable[[Sequence[bytes]], str] = lambda _: ""  # what is wrong with stored files that decode

    @property
    def nouns(self) -> str:
        """The noun in the plural."""
        return f"{self.noun}s"

    def suffix_of(self, file: bytes) -> str:
        """Return the suffix for the name of a stored clean file."""
        return self.suffix if self.clean_suffix is None else self.clean_suffix(file)

    def frames(self, signal: Signal) -> Iterable[Signal]:
        """Return the parts of a signal that corruptions act on: its frames, or the signal itself."""
        return signal if self.framewise else (signal,)

    def join(self, frames: Sequence[Signal]) -> Signal:
        """Return the signal of these parts; undoes `frames`."""
        return np.stack(frames) if self.framewise else frames[0]
