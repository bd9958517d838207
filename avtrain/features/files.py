"""Tokens of a backbone on disk, memory-mapped in fp16.

A folder holds `audio.npy`, `image.npy` and so on [n, N, D], `present.npy` [n, modalities], and `done.json`, written
last.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from torch import Tensor

from avbuild.dataset.storage import writing
from avbuild.errors import UserError
from avtrain.data.batch import Batch


@dataclass(frozen=True)
class Features:
    """Tokens of every sample under one scenario and draw, on disk."""

    tokens: dict[str, NDArray[np.float16]]  # [n, N, D] each
    present: dict[str, NDArray[np.bool_]]  # [n] each


def write_features(
    folder: Path, n: int, modalities: tuple[str, ...], batches: Iterator[tuple[Batch, dict[str, Tensor]]]
) -> None:
    """Write n samples' tokens, [B, N, D] a modality and batch.  Raises UserError where they cannot be written."""
    partial = folder.with_name(f".partial-{folder.name}-{os.getpid()}")
    present = []
    with _atomic_folder(partial, folder):
        for batch, tokens in batches:
            with writing(folder):
                for modality, values in tokens.items():
                    _append(partial / f"{modality}.npy", values.to("cpu", torch.float16).numpy(), n)
            present.append(np.stack([batch.present[m].cpu().numpy() for m in modalities], axis=1))
        with writing(folder):
            np.save(partial / "present.npy", np.concatenate(present))
            for path in partial.iterdir():
                _flush_to_disk(path)
            (partial / "done.json").write_text(json.dumps({"n": n}))


def is_complete(folder: Path) -> bool:
    """Whether all tokens are there."""
    return (folder / "done.json").exists()


def open_features(folder: Path, modalities: tuple[str, ...]) -> Features:
    """The tokens, read as they are asked for.  Raises UserError where they are not there."""
    if not is_complete(folder):
        raise UserError(
            f"{folder}: written by the first process, not seen by another; --cache must name a folder that "
            "all nodes share, or --no-cache do without"
        )
    present = np.load(folder / "present.npy")
    tokens = {m: np.load(folder / f"{m}.npy", mmap_mode="r") for m in modalities}
    return Features(tokens, {m: present[:, index] for index, m in enumerate(modalities)})


@contextmanager
def _atomic_folder(partial: Path, folder: Path) -> Iterator[None]:
    """What is written into `partial` becomes `folder`, unless another process was first or something went wrong."""
    with writing(folder):
        shutil.rmtree(partial, ignore_errors=True)  # of a killed process that had this one's number
        partial.mkdir(parents=True)
    try:
        yield
        if not folder.exists():
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _append(path: Path, rows: NDArray[np.float16], n: int) -> None:
    """Some of the n rows.  Not by a memory map: on a full disk that ends the process without a word."""
    with path.open("ab") as file:
        if file.tell() == 0:
            write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (n, *rows.shape[1:])})
        file.write(rows.tobytes())


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
