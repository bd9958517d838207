"""Tokens of a backbone on disk, memory-mapped in half precision.

A folder holds one file for each modality, such as `audio.npy` [n, N, D], then `present.npy` [n, modalities], and
`done.json`, which is written last and holds a checksum of each of the others.
"""

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from torch import Tensor

from avbuild.dataset.storage import partial_name, writing
from avbuild.errors import UserError
from avtrain.data.batch import Batch
from avtrain.runs.sealed import open_object, sealed_object

PIECE = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Features:
    """Tokens of n samples under one scenario and draw.

    Attributes:
        tokens: modality -> [n, N, D], memory-mapped.
        present: modality -> [n].
    """

    tokens: dict[str, NDArray[np.float16]]
    present: dict[str, NDArray[np.bool_]]


def write_features(
    folder: Path,
    n: int,
    modalities: tuple[str, ...],
    batches: Iterator[tuple[Batch, dict[str, Tensor]]],
    about: Mapping[str, Any],
) -> None:
    """Write the tokens of n samples into a folder, which appears only when it is complete.

    Args:
        folder: to create.
        n: number of samples.
        modalities: of the backbone, in order.
        batches: in the order of the samples, each with its tokens, modality -> [B, N, D].
        about: what they were made of, for people who ask what a cache holds.

    Raises:
        UserError: the files cannot be written.
    """
    partial = folder.with_name(partial_name(folder.name, os.getpid()))
    present = []
    with _atomic_folder(partial, folder):
        for batch, tokens in batches:
            with writing(folder):
                for modality, values in tokens.items():
                    _append(partial / f"{modality}.npy", values.to("cpu", torch.float16).numpy(), n)
            present.append(np.stack([batch.present[m].cpu().numpy() for m in modalities], axis=1))
        with writing(folder):
            np.save(partial / "present.npy", np.concatenate(present))
            checksums = {path.name: checksum(path) for path in sorted(partial.iterdir())}
            for path in partial.iterdir():
                _flush_to_disk(path)
            (partial / "done.json").write_text(
                json.dumps(sealed_object({"n": n, "checksums": checksums, "about": about}))
            )


def is_complete(folder: Path) -> bool:
    """Return whether a folder of tokens was written to its end."""
    return (folder / "done.json").exists()


def find_damage(folder: Path, modalities: tuple[str, ...]) -> str:
    """Return what is wrong with a folder of tokens, or nothing where each file is as it was written.

    Folders of version 0.1 hold no checksums: their files must have the number of rows that `done.json` names.

    Args:
        folder: written by `write_features`, perhaps damaged since.
        modalities: of the backbone, in order.
    """
    try:
        done = open_object((folder / "done.json").read_bytes(), "done.json")
        names = ["present.npy", *(f"{modality}.npy" for modality in modalities)]
        for name in names:
            if "checksums" in done and done["checksums"].get(name) != checksum(folder / name):
                return f"{name} does not have its checksum"
            if len(np.load(folder / name, mmap_mode="r")) != done["n"]:
                return f"{name} has not {done['n']} rows"
    except (OSError, UserError, ValueError, KeyError, TypeError, EOFError) as error:
        return str(error).splitlines()[0]
    return ""


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file: against damage, not against forgery, and the fastest there is."""
    found = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            found = zlib.crc32(piece, found)
    return found


def open_features(folder: Path, modalities: tuple[str, ...]) -> Features:
    """Open a folder of tokens; they are read from disk when they are used.

    Args:
        folder: written by `write_features`.
        modalities: of the backbone, in order.

    Raises:
        UserError: the folder is not complete.
    """
    if not is_complete(folder):
        raise UserError(
            f"{folder}: written by one node and not visible on another; --cache must name a folder that all nodes "
            "share, or use --no-cache"
        )
    present = np.load(folder / "present.npy")
    tokens = {m: np.load(folder / f"{m}.npy", mmap_mode="r") for m in modalities}
    return Features(tokens, {m: present[:, index] for index, m in enumerate(modalities)})


@contextmanager
def _atomic_folder(partial: Path, folder: Path) -> Iterator[None]:
    """Rename `partial` to `folder` after the block; delete it after an error, or where another process was faster."""
    with writing(folder):
        shutil.rmtree(partial, ignore_errors=True)  # of a killed process with the same id
        partial.mkdir(parents=True)
    try:
        yield
        if not folder.exists():
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _append(path: Path, rows: NDArray[np.float16], n: int) -> None:
    """Append rows to a .npy file of n rows; a memory map would crash the process on a full disk."""
    with path.open("ab") as file:
        if file.tell() == 0:
            write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (n, *rows.shape[1:])})
        file.write(rows.tobytes())


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
